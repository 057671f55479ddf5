/** Who is logged in. Their temporary credentials outlive a reload in this tab's session storage; the password is never
 * kept. */
import type { LambdaClient } from "@aws-sdk/client-lambda";
import type { Cloud, Credentials } from "./cloud";
import type { FunctionName } from "./config";
import { Problem } from "./problem";

interface Session {
  username: string;
  credentials: { accessKeyId: string; secretAccessKey: string; sessionToken: string; expiration: string };
}

const SESSION = "todo.session";

export class Account {
  private session: Session | null = JSON.parse(sessionStorage.getItem(SESSION) ?? "null");
  private client: LambdaClient | null = null;
  private renewal: Promise<void> | null = null;

  /** `askAgain` gets the person to log in again; it is done when they have, and fails when they would rather not. */
  constructor(private readonly cloud: Cloud, private readonly askAgain: (username: string) => Promise<void>) {}

  get username(): string | null {
    return this.session?.username ?? null;
  }

  async register(username: string, password: string): Promise<void> {
    await this.cloud.callAsGuest("RegisterUser", { username, password });
    await this.logIn(username, password);
  }

  async logIn(username: string, password: string): Promise<void> {
    this.session = await this.cloud.callAsGuest<Session>("LoginUser", { username, password });
    this.client = null;
    sessionStorage.setItem(SESSION, JSON.stringify(this.session));
  }

  logOut(): void {
    this.session = this.client = null;
    sessionStorage.removeItem(SESSION);
  }

  /** Calls a function as the person who is logged in. If their credentials have expired, asks them to log in again and
   * then carries on. */
  async call<T>(name: FunctionName, payload: object): Promise<T> {
    try {
      return await this.cloud.call<T>(this.currentClient(), name, payload);
    } catch (error) {
      if (!this.hasExpired(error as Problem)) throw error;
      this.renewal ??= this.askAgain(this.session!.username).finally(() => (this.renewal = null));
      await this.renewal;
      return this.cloud.call<T>(this.currentClient(), name, payload);
    }
  }

  private currentClient(): LambdaClient {
    if (!this.session) throw new Problem("SessionExpired");
    const { accessKeyId, secretAccessKey, sessionToken } = this.session.credentials;
    // Without their expiry, which this machine's clock might be wrong about: the cloud says when they have expired.
    const credentials: Credentials = { accessKeyId, secretAccessKey, sessionToken };
    return (this.client ??= this.cloud.client(credentials));
  }

  private hasExpired(problem: Problem): boolean {
    if (!this.session) return false;
    // A browser cannot read an answer without CORS headers, and some denials come without.
    const overdue = Date.now() > Date.parse(this.session.credentials.expiration);
    return problem.code === "SessionExpired" || (problem.code === "Unreachable" && overdue);
  }
}
