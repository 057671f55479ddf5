/** Calls the functions straight from the browser. No server of ours is in between: AWS's request signature says who
 * calls, and IAM decides whether they may. */
import { CognitoIdentityClient, GetCredentialsForIdentityCommand, GetIdCommand } from "@aws-sdk/client-cognito-identity";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import type { Config, FunctionName } from "./config";
import { Problem, asProblem } from "./problem";

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
  expiration?: Date;
}

const GUEST = "todo.guest";

export class Cloud {
  private readonly location: { region: string; endpoint?: string; maxAttempts: number };
  private guest: LambdaClient;

  constructor(private readonly config: Config) {
    this.location = { region: config.region, ...(config.endpoint && { endpoint: config.endpoint }), maxAttempts: 2 };
    this.guest = this.client(() => this.guestCredentials());
  }

  /** A client for the functions, with the credentials of whoever calls. */
  client(credentials: Credentials | (() => Promise<Credentials>)): LambdaClient {
    return new LambdaClient({ ...this.location, credentials });
  }

  async callAsGuest<T>(name: FunctionName, payload: object): Promise<T> {
    try {
      return await this.call(this.guest, name, payload);
    } catch (error) {
      if (asProblem(error).code !== "SessionExpired") throw error;
      sessionStorage.removeItem(GUEST); // The cloud does not know this guest any more: come as a new one.
      this.guest = this.client(() => this.guestCredentials());
      return this.call(this.guest, name, payload);
    }
  }

  async call<T>(client: LambdaClient, name: FunctionName, payload: object): Promise<T> {
    let answer: { error?: { code: string; message: string } };
    try {
      const output = await client.send(
        new InvokeCommand({ FunctionName: this.config[name], Payload: new TextEncoder().encode(JSON.stringify(payload)) }),
      );
      if (output.FunctionError) throw new Problem("FunctionFailed");
      answer = JSON.parse(new TextDecoder().decode(output.Payload));
    } catch (error) {
      console.warn(name, error);
      throw asProblem(error);
    }
    if (answer.error) throw new Problem(answer.error.code, answer.error.message);
    return answer as T;
  }

  /** Everyone is somebody to Cognito: an identity without a login, and the guest role's credentials for it. The SDK asks
   * again before they expire. */
  private async guestCredentials(): Promise<Credentials> {
    const cognito = new CognitoIdentityClient(this.location);
    const known = sessionStorage.getItem(GUEST);
    const id = known ?? (await cognito.send(new GetIdCommand({ IdentityPoolId: this.config.IdentityPoolId }))).IdentityId!;
    try {
      const { Credentials } = await cognito.send(new GetCredentialsForIdentityCommand({ IdentityId: id }));
      sessionStorage.setItem(GUEST, id);
      return {
        accessKeyId: Credentials!.AccessKeyId!,
        secretAccessKey: Credentials!.SecretKey!,
        sessionToken: Credentials!.SessionToken!,
        expiration: Credentials!.Expiration!,
      };
    } catch (error) {
      if (!known || (error as Error).name !== "ResourceNotFoundException") throw error;
      sessionStorage.removeItem(GUEST);
      return this.guestCredentials();
    }
  }
}
