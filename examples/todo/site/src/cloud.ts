/** Calls functions straight from the browser. No server of ours is in between: AWS's request signature says who calls,
 * and IAM decides whether they may. */
import {
  CognitoIdentityClient,
  GetCredentialsForIdentityCommand,
  GetIdCommand,
} from "@aws-sdk/client-cognito-identity";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import type { Config } from "./config";
import { Problem, asProblem } from "./problem";

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
  expiration?: Date;
}

/** Where the SDK's clients find the cloud. */
export interface Location {
  region: string;
  endpoint?: string;
  maxAttempts: number;
}

export function locationOf({ region, endpoint }: Config): Location {
  return { region, ...(endpoint && { endpoint }), maxAttempts: 2 };
}

/** Calls the function of this name, and returns what it answers. */
export async function invoke<T>(client: LambdaClient, FunctionName: string, payload: object): Promise<T> {
  const Payload = new TextEncoder().encode(JSON.stringify(payload));
  const output = await client.send(new InvokeCommand({ FunctionName, Payload }));
  if (output.FunctionError) throw new Problem("FunctionFailed");
  const answer = JSON.parse(new TextDecoder().decode(output.Payload));
  if (answer.error) throw new Problem(answer.error.code, answer.error.message);
  return answer;
}

const IDENTITY = "guest";

/** Everyone who opens the page: may register and log in, nothing else. */
export class Guest {
  private readonly location: Location;
  private lambda: LambdaClient;

  constructor(private readonly config: Config) {
    this.location = locationOf(config);
    this.lambda = this.connect();
  }

  async call<T>(name: "RegisterUser" | "LoginUser", payload: object): Promise<T> {
    try {
      return await invoke<T>(this.lambda, this.config[name], payload);
    } catch (error) {
      if (asProblem(error).code !== "SessionExpired") throw asProblem(error);
      sessionStorage.removeItem(IDENTITY); // The cloud does not know this guest any more: come as a new one.
      this.lambda = this.connect();
      return invoke<T>(this.lambda, this.config[name], payload);
    }
  }

  private connect(): LambdaClient {
    return new LambdaClient({ ...this.location, credentials: () => this.credentials() });
  }

  /** Everyone is somebody to Cognito: an identity without a login, and the guest role's credentials for it. The SDK asks
   * again before they expire. */
  private async credentials(): Promise<Credentials> {
    const cognito = new CognitoIdentityClient(this.location);
    const known = sessionStorage.getItem(IDENTITY);
    const IdentityPoolId = this.config.IdentityPoolId;
    const IdentityId = known ?? (await cognito.send(new GetIdCommand({ IdentityPoolId }))).IdentityId!;
    try {
      const { Credentials } = await cognito.send(new GetCredentialsForIdentityCommand({ IdentityId }));
      sessionStorage.setItem(IDENTITY, IdentityId);
      return {
        accessKeyId: Credentials!.AccessKeyId!,
        secretAccessKey: Credentials!.SecretKey!,
        sessionToken: Credentials!.SessionToken!,
        expiration: Credentials!.Expiration!,
      };
    } catch (error) {
      if (!known || (error as Error).name !== "ResourceNotFoundException") throw error;
      sessionStorage.removeItem(IDENTITY);
      return this.credentials();
    }
  }
}
