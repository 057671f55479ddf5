/** The list on the page. Elements are kept from one drawing to the next, so that focus stays where it is. */
import { byId, say } from "./dom";
import { attempt } from "./feedback";
import { type Todo, type TodoList, newId } from "./todos";

type Filter = "all" | "active" | "done";

const MATCHES: Record<Filter, (todo: Todo) => boolean> = {
  all: () => true,
  active: (todo) => !todo.done,
  done: (todo) => todo.done,
};
const EMPTY: Record<Filter, string> = {
  all: "Nothing here yet. What needs doing?",
  active: "All done. Enjoy the calm.",
  done: "Nothing done yet. One thing at a time.",
};

export class ListView {
  private readonly elements = new Map<string, HTMLLIElement>();
  private readonly items = byId("todos");
  private readonly newTitle = byId<HTMLInputElement>("new-title");
  private readonly filters = byId("filter");

  constructor(private readonly list: () => TodoList) {
    byId("add").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.add(this.newTitle.value.trim());
    });
    this.filters.addEventListener("change", () => this.draw());
    byId("clear-done").addEventListener("click", () => {
      this.newTitle.focus();
      void attempt(async () => {
        const done = this.list().todos.filter(MATCHES.done);
        await Promise.all(done.map((todo) => this.list().delete(todo.id)));
      });
    });
  }

  focus(): void {
    this.newTitle.focus();
  }

  clear(): void {
    this.newTitle.value = "";
    this.showAll();
  }

  private showAll(): void {
    this.filters.querySelector<HTMLInputElement>("[value=all]")!.checked = true;
  }

  draw(): void {
    const todos = this.list().todos;
    const filter = this.filters.querySelector<HTMLInputElement>(":checked")!.value as Filter;
    for (const name of Object.keys(MATCHES) as Filter[])
      this.filters.querySelector(`[data-count=${name}]`)!.textContent = String(todos.filter(MATCHES[name]).length);
    byId("clear-done").hidden = !todos.some(MATCHES.done);

    const visible = todos.filter(MATCHES[filter]);
    const gone = new Set(this.elements.keys());
    visible.forEach((todo, place) => {
      const element = this.elements.get(todo.id) ?? this.newElement(todo.id);
      gone.delete(todo.id);
      fill(element, todo);
      if (this.items.children[place] !== element) this.items.insertBefore(element, this.items.children[place] ?? null);
    });
    for (const id of gone) this.remove(id);
    const empty = byId("empty");
    empty.textContent = todos.length ? EMPTY[filter] : EMPTY.all;
    empty.hidden = visible.length > 0 || !this.list().loaded;
  }

  private async add(title: string): Promise<void> {
    if (!title) return this.newTitle.focus();
    this.newTitle.value = title;
    if (this.filters.querySelector<HTMLInputElement>("[value=done]")!.checked) this.showAll();
    const id = newId();
    await attempt(async () => {
      if (this.newTitle.value === title) this.newTitle.value = "";
      try {
        await this.list().add(title, id);
      } catch (error) {
        this.newTitle.value ||= title; // What was typed is not lost with the call.
        throw error;
      }
      say(`Added: ${title}`);
    });
  }

  private newElement(id: string): HTMLLIElement {
    const fragment = byId<HTMLTemplateElement>("todo").content.cloneNode(true) as DocumentFragment;
    const element = fragment.querySelector("li")!;
    const checkbox = element.querySelector("input")!;
    checkbox.id = `todo-${id}`;
    element.querySelector("label")!.htmlFor = checkbox.id;
    checkbox.addEventListener("change", () => {
      const done = checkbox.checked;
      void attempt(async () => {
        await this.list().setDone(id, done);
        say(done ? "Done." : "Not done.");
      });
    });
    element.querySelector(".edit")!.addEventListener("click", () => this.edit(id, element));
    element.querySelector(".delete")!.addEventListener("click", () => {
      void attempt(async () => {
        await this.list().delete(id);
        say("Deleted.");
      });
    });
    this.elements.set(id, element);
    return element;
  }

  /** Focus moves on to the next todo, or back to the new one's field, rather than being lost with the element. */
  private remove(id: string): void {
    const element = this.elements.get(id)!;
    const next = (element.nextElementSibling ?? element.previousElementSibling) as HTMLElement | null;
    if (element.contains(document.activeElement)) (next?.querySelector("input") ?? this.newTitle).focus();
    element.remove();
    this.elements.delete(id);
  }

  private edit(id: string, element: HTMLLIElement): void {
    const label = element.querySelector("label")!;
    const editor = document.createElement("input");
    editor.className = "editor";
    editor.maxLength = 500;
    editor.value = label.textContent!;
    editor.setAttribute("aria-label", "Title");
    let finished = false; // Taking the editor away blurs it.
    const finish = (keep: boolean) => {
      if (finished) return;
      finished = true;
      const title = editor.value.trim();
      editor.replaceWith(label);
      if (keep && title && title !== label.textContent) void attempt(() => this.list().setTitle(id, title));
    };
    editor.addEventListener("blur", () => finish(true));
    editor.addEventListener("keydown", (event) => {
      if (event.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
      event.preventDefault(); // Or this Enter would press the button that gets the focus.
      finish(event.key === "Enter");
      element.querySelector<HTMLButtonElement>(".edit")!.focus();
    });
    label.replaceWith(editor);
    editor.focus();
    editor.select();
  }
}

function fill(element: HTMLLIElement, todo: Todo & { waiting: boolean }): void {
  const label = element.querySelector("label");
  if (label && label.textContent !== todo.title) label.textContent = todo.title;
  const checkbox = element.querySelector<HTMLInputElement>("[type=checkbox]")!;
  checkbox.checked = todo.done;
  checkbox.ariaLabel = todo.title; // Its label is away while the title is edited.
  element.querySelector(".edit")!.setAttribute("aria-label", `Edit: ${todo.title}`);
  element.querySelector(".delete")!.setAttribute("aria-label", `Delete: ${todo.title}`);
  element.ariaBusy = String(todo.waiting);
}
