/** The forms with a password: one to come in by, one for when a session has ended. */
import { byId } from "./dom";
import { working } from "./feedback";
import { Problem, asProblem } from "./problem";

type Mode = "logIn" | "register";
type Account = Record<Mode, (username: string, password: string) => Promise<void>>;

const TEXTS = {
  logIn: {
    title: "Welcome back",
    lead: "Your todos are where you left them.",
    submit: "Log in",
    question: "New here?",
    other: "Create an account",
  },
  register: {
    title: "Create an account",
    lead: "A name and a password. Nothing else.",
    submit: "Create account",
    question: "Been here before?",
    other: "Log in",
  },
} as const;

export class SignIn {
  private mode: Mode = "logIn";
  private readonly form = byId<HTMLFormElement>("sign-in");
  private readonly password = byId<HTMLInputElement>("password");
  private readonly reveal = this.form.querySelector<HTMLButtonElement>(".reveal")!;

  constructor(account: Account, done: () => void) {
    onSubmit(this.form, async (username, password) => {
      if (this.mode === "register" && password.length < 8) throw new Problem("InvalidPassword");
      await account[this.mode](username, password);
      this.form.reset();
      this.show("logIn");
      done();
    });
    byId("switch-mode").addEventListener("click", () => {
      this.show(this.mode === "logIn" ? "register" : "logIn");
      this.focus();
    });
    this.reveal.addEventListener("click", () => this.setRevealed(this.password.type === "password"));
    this.show("logIn");
  }

  focus(): void {
    byId("username").focus();
  }

  private show(mode: Mode): void {
    this.mode = mode;
    const texts = TEXTS[mode];
    byId("welcome-title").textContent = texts.title;
    byId("welcome-lead").textContent = texts.lead;
    this.form.querySelector(".primary span")!.textContent = texts.submit;
    byId("switch-question").textContent = texts.question;
    byId("switch-mode").textContent = texts.other;
    this.form.querySelector(".error")!.textContent = "";
    const registering = mode === "register";
    this.password.autocomplete = registering ? "new-password" : "current-password";
    this.password.toggleAttribute("aria-describedby", false);
    if (registering) this.password.setAttribute("aria-describedby", "password-hint");
    byId("password-hint").hidden = !registering;
    this.setRevealed(false);
  }

  private setRevealed(revealed: boolean): void {
    this.password.type = revealed ? "text" : "password";
    this.reveal.textContent = revealed ? "Hide" : "Show";
    this.reveal.setAttribute("aria-pressed", String(revealed));
  }
}

/** Asks a person whose session has ended for their password. Done when they are logged in again; fails if they leave. */
export function askAgain(account: Account, username: string): Promise<void> {
  const dialog = byId<HTMLDialogElement>("session-ended");
  const form = dialog.querySelector("form")!;
  const answered = new AbortController();
  form.reset();
  form.querySelector(".error")!.textContent = "";
  byId<HTMLInputElement>("again-username").value = username;
  dialog.showModal();
  return new Promise<void>((resolve, reject) => {
    const leave = () => reject(new Problem("LoggedOut"));
    byId("leave").addEventListener("click", leave, answered);
    dialog.addEventListener("cancel", leave, answered);
    onSubmit(form, async (_, password) => resolve(await account.logIn(username, password)), answered);
  }).finally(() => {
    answered.abort();
    dialog.close();
    form.reset();
  });
}

/** Runs `action` with what was typed, once at a time; says in the form what was wrong. */
function onSubmit(
  form: HTMLFormElement,
  action: (username: string, password: string) => Promise<void>,
  options?: { signal: AbortSignal },
): void {
  const error = form.querySelector(".error")!;
  const submit = form.querySelector<HTMLButtonElement>("[type=submit]")!;
  const inputs = [...form.querySelectorAll("input")];
  form.addEventListener(
    "submit",
    async (event) => {
      event.preventDefault();
      if (submit.ariaBusy === "true") return;
      const missing = inputs.find((input) => !input.value.trim());
      if (missing) {
        error.textContent = missing.name === "username" ? "Type your name." : "Type your password.";
        missing.focus();
        return;
      }
      error.textContent = "";
      submit.ariaBusy = "true";
      const [username, password] = inputs.map((input) => input.value) as [string, string];
      try {
        await working(action(username.trim(), password));
      } catch (problem) {
        error.textContent = asProblem(problem).message;
        const field = inputs[asProblem(problem).code in { NameTaken: 1, InvalidUsername: 1 } ? 0 : 1]!;
        field.focus();
        field.select();
      } finally {
        submit.ariaBusy = "false";
      }
    },
    options,
  );
}
