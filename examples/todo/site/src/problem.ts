/** What went wrong, by a code of ours, of the functions' or of AWS's; and how a person would say it. */
export class Problem extends Error {
  constructor(
    readonly code: string,
    message?: string,
    cause?: unknown,
  ) {
    super(WORDS[code] ?? message ?? WORDS["Unknown"], { cause });
  }
}

const WORDS: Record<string, string> = {
  WrongPassword: "That name and password do not belong together. Check both and try again.",
  NameTaken: "Somebody already has this name. Choose another, or log in if it is yours.",
  InvalidUsername: "A name has 3 to 32 letters from a to z, digits, dots, hyphens or underscores.",
  InvalidPassword: "A password has 8 to 128 characters.",
  InvalidTitle: "A todo has 1 to 500 characters.",
  NotFound: "This todo is gone. It may have been deleted in another window.",
  SessionExpired: "Your session has ended. Log in again to carry on.",
  AccessDenied: "You are not allowed to do this.",
  Busy: "The cloud is busy. Wait a moment and try again.",
  Unreachable: "The cloud cannot be reached. Check your connection and try again.",
  FunctionFailed: "Something went wrong in the cloud. It has been logged; try again in a moment.",
  NotDeployed: "This page does not know its cloud yet. Deploy it, then load it again.",
  Outdated: "This page is older than its cloud. Load it again.",
  Unknown: "Something went wrong. Try again in a moment.",
};

/** AWS's names for the same thing. */
const CODES: Record<string, string> = {
  ExpiredTokenException: "SessionExpired",
  ExpiredToken: "SessionExpired",
  UnrecognizedClientException: "SessionExpired",
  InvalidClientTokenId: "SessionExpired",
  NotAuthorizedException: "AccessDenied",
  AccessDeniedException: "AccessDenied",
  AccessDenied: "AccessDenied",
  ResourceNotFoundException: "Outdated",
  TooManyRequestsException: "Busy",
  ThrottlingException: "Busy",
  ServiceException: "FunctionFailed",
  TimeoutError: "Unreachable",
  AbortError: "Unreachable",
  TypeError: "Unreachable", // A browser's name for a request that found nobody.
  NetworkError: "Unreachable",
};

export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const name = error instanceof Error ? error.name : "";
  return new Problem(CODES[name] ?? "Unknown", undefined, error);
}
