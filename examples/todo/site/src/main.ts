import { LambdaClient } from "@aws-sdk/client-lambda";
import { Account } from "./account";
import { type Credentials, Guest, locationOf } from "./cloud";
import { type TodoConfig, loadConfig } from "./config";
import { byId, say } from "./dom";
import { attempt, hideNotice, working } from "./feedback";
import { ListView } from "./list-view";
import { Problem } from "./problem";
import { SignIn, askAgain } from "./sign-in";
import { TodoList } from "./todos";

async function start(): Promise<void> {
  const config = await working(loadConfig<TodoConfig>()).catch(() => {
    throw new Problem("NotDeployed");
  });
  const connect = (credentials: Credentials) => new LambdaClient({ ...locationOf(config), credentials });
  const account: Account<LambdaClient> = new Account(new Guest(config), connect, (username) =>
    askAgain(account, username).catch((reason) => {
      leave("");
      throw reason;
    }),
  );
  const newList = () => new TodoList(config, account, () => view.draw());
  let list: TodoList;
  const view = new ListView(() => list);
  const signIn = new SignIn(account, () => enter());

  function enter(): void {
    list = newList();
    view.clear();
    show();
    view.focus();
    void attempt(() => list.load());
  }

  function leave(message: string): void {
    account.logOut();
    list = newList();
    view.draw();
    hideNotice();
    show();
    signIn.focus();
    say(message);
  }

  function show(): void {
    const inside = account.username !== null;
    byId("welcome").hidden = inside;
    byId("list").hidden = !inside;
    byId("person").hidden = !inside;
    byId("person-name").textContent = account.username ?? "";
    document.title = inside ? `Todo · ${account.username}` : "Todo";
  }

  byId("log-out").addEventListener("click", () => leave("Logged out."));
  if (account.username) return enter();
  show();
  signIn.focus();
}

void attempt(start);
