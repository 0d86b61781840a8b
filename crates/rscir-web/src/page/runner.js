// Runs one question at a time: the newest, asked as soon as the one before is answered.

/** How often a busy server is asked again. */
const TRIES = 4;

export class Runner {
  /** `run` answers a job, given a signal that says when nobody waits for it any more; `failed` hears of errors. */
  constructor(run, failed) {
    Object.assign(this, { run, failed, next: null, current: null });
  }

  /** Asks. A new question ends the one that is being answered; a move of the slider waits for it, as it takes a moment only. */
  ask(job) {
    this.next = { ...job, isNew: job.isNew || this.next?.isNew || false };
    clearTimeout(this.later);
    if (job.isNew) {
      this.tries = 0;
      this.current?.abort();
    }
    // What is asked in the same breath is asked once.
    queueMicrotask(() => this.start());
  }

  async start() {
    if (this.current || !this.next) return;
    const job = this.next;
    this.next = null;
    const control = (this.current = new AbortController());
    try {
      await this.run(job, control.signal);
      this.tries = 0;
    } catch (error) {
      if (!control.signal.aborted) this.fail(job, error);
    } finally {
      this.current = null;
    }
    this.start();
  }

  fail(job, error) {
    if (error.retryAfter && ++this.tries <= TRIES && !this.next) {
      this.later = setTimeout(() => this.ask({ ...job, from: undefined }), error.retryAfter * 1000);
      this.failed(error);
      return;
    }
    error.retryAfter = null;
    this.failed(error);
  }
}
