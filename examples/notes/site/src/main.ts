import { Account } from "../../../todo/site/src/account";
import { Guest } from "../../../todo/site/src/cloud";
import { loadConfig } from "../../../todo/site/src/config";
import { byId, say } from "../../../todo/site/src/dom";
import { attempt, hideNotice, working } from "../../../todo/site/src/feedback";
import { Problem } from "../../../todo/site/src/problem";
import { SignIn, askAgain } from "../../../todo/site/src/sign-in";
import { newId } from "../../../todo/site/src/todos";
import { type Clients, type Note, Notes, type NotesConfig, connect } from "./notes";

const items = byId("notes");
const text = byId<HTMLTextAreaElement>("text");
const picture = byId<HTMLInputElement>("picture");

async function start(): Promise<void> {
  const config = await working(loadConfig<NotesConfig>()).catch(() => {
    throw new Problem("NotDeployed");
  });
  const account: Account<Clients> = new Account(
    new Guest(config),
    (credentials) => connect(config, credentials),
    (username) =>
      askAgain(account, username).catch((reason) => {
        leave();
        throw reason;
      }),
  );
  const notes = new Notes(config, account);
  const signIn = new SignIn(account, enter);

  function enter(): void {
    show();
    text.focus();
    void attempt(load);
  }

  function leave(): void {
    account.logOut();
    items.replaceChildren();
    resetForm();
    hideNotice();
    show();
    signIn.focus();
  }

  function show(): void {
    const inside = account.username !== null;
    byId("welcome").hidden = inside;
    byId("list").hidden = !inside;
    byId("person").hidden = !inside;
    byId("person-name").textContent = account.username ?? "";
    document.title = inside ? `Notes · ${account.username}` : "Notes";
  }

  async function load(): Promise<void> {
    const loaded = await notes.load();
    items.replaceChildren(...loaded.map(newElement));
    showEmpty();
  }

  function newElement(note: Note): HTMLElement {
    const fragment = byId<HTMLTemplateElement>("note").content.cloneNode(true) as DocumentFragment;
    const element = fragment.querySelector("li")!;
    const beginning = note.text.slice(0, 40);
    element.querySelector(".text")!.textContent = note.text;
    element.querySelector(".edit")!.setAttribute("aria-label", `Edit: ${beginning}`);
    element.querySelector(".delete")!.setAttribute("aria-label", `Delete: ${beginning}`);
    element.querySelector(".edit")!.addEventListener("click", () => edit(element, note));
    element.querySelector(".delete")!.addEventListener("click", () => {
      void attempt(async () => {
        await notes.delete(note.id);
        element.remove();
        showEmpty();
        text.focus();
        say("Deleted.");
      });
    });
    if (note.hasPicture) void attempt(() => showPicture(element, note));
    return element;
  }

  /** A link would do for a picture that everyone may see; this one is fetched with the person's own signature. */
  async function showPicture(element: HTMLElement, note: Note): Promise<void> {
    const image = element.querySelector<HTMLImageElement>(".picture")!;
    image.src = URL.createObjectURL(await notes.loadPicture(note.id));
    image.alt = `Picture of the note: ${note.text.slice(0, 80)}`;
    image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
    image.hidden = false;
  }

  function edit(element: HTMLElement, note: Note): void {
    const paragraph = element.querySelector(".text")!;
    const editor = document.createElement("textarea");
    editor.value = note.text;
    editor.maxLength = 20000;
    editor.setAttribute("aria-label", "Note");
    let finished = false;
    const finish = (keep: boolean) => {
      if (finished) return;
      finished = true;
      editor.replaceWith(paragraph);
      const changed = editor.value.trim();
      if (!keep || !changed || changed === note.text) return;
      void attempt(async () => {
        await notes.save({ ...note, text: changed });
        note.text = changed;
        paragraph.textContent = changed;
        say("Kept.");
      });
    };
    editor.addEventListener("blur", () => finish(true));
    editor.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" && !(event.key === "Enter" && (event.ctrlKey || event.metaKey))) return;
      event.preventDefault(); // Or this Enter would press the button that gets the focus.
      finish(event.key === "Enter");
      element.querySelector<HTMLButtonElement>(".edit")!.focus();
    });
    paragraph.replaceWith(editor);
    editor.focus();
  }

  byId("write").addEventListener("keydown", (event) => {
    // Enter ends a line here; with Ctrl or ⌘ it keeps the note.
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId<HTMLFormElement>("write").requestSubmit();
  });
  byId("write").addEventListener("submit", (event) => {
    event.preventDefault();
    const file = picture.files?.[0];
    const note: Note = { id: newId(), text: text.value.trim(), hasPicture: file !== undefined };
    if (!note.text) return text.focus();
    void attempt(async () => {
      await notes.save(note, file);
      items.prepend(newElement(note));
      showEmpty();
      resetForm();
      text.focus();
      say("Kept.");
    });
  });
  picture.addEventListener("change", showPictureName);
  byId("log-out").addEventListener("click", leave);
  if (account.username) return enter();
  show();
  signIn.focus();
}

function resetForm(): void {
  byId<HTMLFormElement>("write").reset();
  showPictureName();
}

function showPictureName(): void {
  byId("picture-name").textContent = picture.files?.[0]?.name ?? "Add a picture";
}

function showEmpty(): void {
  byId("empty").hidden = items.childElementCount > 0;
}

void attempt(start);
