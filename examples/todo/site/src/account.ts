/** Who is logged in. Their temporary credentials outlive a reload in this tab's session storage; the password is never
 * kept. */
import type { Credentials, Guest } from "./cloud";
import { type Problem, asProblem } from "./problem";

interface Session {
  username: string;
  identityId: string;
  credentials: { accessKeyId: string; secretAccessKey: string; sessionToken: string; expiration: string };
}

const SESSION = "session";

/** `Clients` are what the person's credentials are used with. */
export class Account<Clients> {
  private session: Session | null = JSON.parse(sessionStorage.getItem(SESSION) ?? "null");
  private clients: Clients | null = null;
  private renewal: Promise<void> | null = null;

  /** `askAgain` gets the person to log in again; it is done when they have, and fails when they would rather not. */
  constructor(
    private readonly guest: Guest,
    private readonly connect: (credentials: Credentials) => Clients,
    private readonly askAgain: (username: string) => Promise<void>,
  ) {}

  get username(): string | null {
    return this.session?.username ?? null;
  }

  /** What Cognito calls them: the same at every login, and the one thing that functions and policies know them by. */
  get identityId(): string | null {
    return this.session?.identityId ?? null;
  }

  async register(username: string, password: string): Promise<void> {
    await this.guest.call("RegisterUser", { username, password });
    await this.logIn(username, password);
  }

  async logIn(username: string, password: string): Promise<void> {
    this.session = await this.guest.call<Session>("LoginUser", { username, password });
    this.clients = null;
    sessionStorage.setItem(SESSION, JSON.stringify(this.session));
  }

  logOut(): void {
    this.session = this.clients = null;
    sessionStorage.removeItem(SESSION);
  }

  /** Does `work` as the person who is logged in. If their credentials have expired, asks them to log in again and then
   * carries on. */
  async call<T>(work: (clients: Clients) => Promise<T>): Promise<T> {
    try {
      return await work(this.connected());
    } catch (error) {
      const problem = asProblem(error);
      if (!this.session || !this.hasExpired(problem)) throw problem;
      this.renewal ??= this.askAgain(this.session.username).finally(() => (this.renewal = null));
      await this.renewal;
      return work(this.connected());
    }
  }

  private connected(): Clients {
    const { accessKeyId, secretAccessKey, sessionToken } = this.session!.credentials;
    // Without their expiry, which this machine's clock might be wrong about: the cloud says when they have expired.
    return (this.clients ??= this.connect({ accessKeyId, secretAccessKey, sessionToken }));
  }

  private hasExpired(problem: Problem): boolean {
    // A browser cannot read an answer without CORS headers, and some denials come without.
    const overdue = Date.now() > Date.parse(this.session!.credentials.expiration);
    return problem.code === "SessionExpired" || (problem.code === "Unreachable" && overdue);
  }
}
