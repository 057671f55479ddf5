/** The list, shown as the person wants it at once and marked until the cloud has agreed; taken back if it does not. */
import type { LambdaClient } from "@aws-sdk/client-lambda";
import type { Account } from "./account";
import { invoke } from "./cloud";
import type { TodoConfig } from "./config";
import type { Problem } from "./problem";

export interface Todo {
  id: string;
  title: string;
  done: boolean;
}

interface Entry {
  /** As the person sees it; null once deleted. */
  shown: Todo | null;
  /** As the cloud last said; null if it has none. */
  stored: Todo | null;
  /** Changes on their way, in order. */
  changes: Promise<void>;
  waiting: number;
}

type Page = { todos: Todo[]; next: string | null };

type FunctionName = "ListTodos" | "AddTodo" | "UpdateTodo" | "DeleteTodo";

export class TodoList {
  /** Whether all that the cloud has is here. */
  loaded = false;
  /** Deleted ones too: what was asked for before must not bring them back. */
  private readonly entries = new Map<string, Entry>();

  constructor(
    private readonly config: TodoConfig,
    private readonly account: Account<LambdaClient>,
    private readonly changed: () => void,
  ) {}

  /** In the order in which they were added. */
  get todos(): (Todo & { waiting: boolean })[] {
    return [...this.entries.values()]
      .flatMap((entry) => (entry.shown ? [{ ...entry.shown, waiting: entry.waiting > 0 }] : []))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async load(): Promise<void> {
    let after: string | null = null;
    do {
      const page: Page = await this.invoke<Page>("ListTodos", after ? { after } : {});
      // What was changed while the list was on its way is newer.
      for (const todo of page.todos) if (!this.entries.has(todo.id)) this.entries.set(todo.id, newEntry(todo));
      after = page.next;
    } while (after);
    this.loaded = true;
    this.changed();
  }

  /** `id` is given when an addition is tried again, so that it cannot happen twice. */
  add(title: string, id = newId()): Promise<void> {
    return this.change(id, { id, title, done: false }, () => this.invoke("AddTodo", { id, title }));
  }

  setDone(id: string, done: boolean): Promise<void> {
    return this.update(id, { done });
  }

  setTitle(id: string, title: string): Promise<void> {
    return this.update(id, { title });
  }

  delete(id: string): Promise<void> {
    return this.change(id, null, () => this.invoke("DeleteTodo", { id }));
  }

  private invoke<T>(name: FunctionName, payload: object): Promise<T> {
    return this.account.call((lambda) => invoke<T>(lambda, this.config[name], payload));
  }

  private update(id: string, change: Partial<Todo>): Promise<void> {
    const shown = this.entries.get(id)?.shown;
    if (!shown) return Promise.resolve();
    return this.change(id, { ...shown, ...change }, () => this.invoke("UpdateTodo", { id, ...change }));
  }

  private async change(id: string, wanted: Todo | null, call: () => Promise<{ todo?: Todo }>): Promise<void> {
    const entry = this.entries.get(id) ?? newEntry(null);
    this.entries.set(id, entry);
    entry.shown = wanted;
    entry.waiting += 1;
    const change = entry.changes.then(async () => {
      entry.stored = (await call()).todo ?? null;
    });
    entry.changes = change.catch(() => undefined);
    this.changed();
    try {
      await change;
    } catch (error) {
      if ((error as Problem).code === "NotFound") entry.stored = null;
      entry.shown = entry.stored;
      throw error;
    } finally {
      entry.waiting -= 1;
      if (entry.waiting === 0) entry.shown = entry.stored;
      this.changed();
    }
  }
}

function newEntry(stored: Todo | null): Entry {
  return { shown: stored, stored, changes: Promise.resolve(), waiting: 0 };
}

/** Sorts by time, and cannot be met twice. */
export function newId(): string {
  const random = crypto.getRandomValues(new Uint32Array(2));
  return [Date.now(), ...random].map((part) => part.toString(36).padStart(8, "0")).join("-");
}
