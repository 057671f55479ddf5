/** What the person is told while a call runs, and when it fails. */
import { byId } from "./dom";
import { asProblem } from "./problem";

const progress = byId("progress");
const notice = byId("notice");
const tryAgain = byId("try-again");
let running = 0;
let again: (() => void) | null = null;

/** Shows progress while `work` runs. */
export async function working<T>(work: Promise<T>): Promise<T> {
  running += 1;
  progress.hidden = false;
  try {
    return await work;
  } finally {
    running -= 1;
    progress.hidden = running === 0;
  }
}

/** Runs what the person asked for. If it fails says why, and offers to try again where that could help. */
export async function attempt(work: () => Promise<void>): Promise<void> {
  notice.hidden = true;
  try {
    await working(work());
  } catch (error) {
    console.warn(error);
    const problem = asProblem(error);
    if (problem.code === "LoggedOut") return;
    notice.querySelector("p")!.textContent = problem.message;
    tryAgain.hidden = !PASSING.has(problem.code);
    again = () => void attempt(work);
    notice.hidden = false;
  }
}

const PASSING = new Set(["Unreachable", "Busy", "FunctionFailed", "Unknown"]);

export function hideNotice(): void {
  notice.hidden = true;
}

tryAgain.addEventListener("click", () => again?.());
byId("dismiss").addEventListener("click", hideNotice);
