/** What the deployment wrote beside the page: where the cloud is, and what the stack's resources are called. */
export interface Config {
  region: string;
  /** Of the cloud; null on AWS, where the SDK knows. */
  endpoint: string | null;
  IdentityPoolId: string;
  RegisterUser: string;
  LoginUser: string;
}

/** And where people's todos are. */
export interface TodoConfig extends Config {
  ListTodos: string;
  AddTodo: string;
  UpdateTodo: string;
  DeleteTodo: string;
}

export async function loadConfig<C extends Config>(): Promise<C> {
  const response = await fetch("config.json", { cache: "no-cache" });
  if (!response.ok) throw new Error(`config.json: ${response.status}`);
  return (await response.json()) as C;
}
