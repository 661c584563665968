(() => {
  /* Three things that Gradio's page leaves to chance on a slow line, mended where its calls pass by:

     - Calls are taken one after the other, in the order in which they were made. Two that are on their way at the same
       time may change places, and then the older one, of a form that has changed since, would seem to be the newer.
     - Answers reach the page in the order in which they come. Those to a call whose name the page does not know yet
       are kept by Gradio, and once it does they overtake what came before them: the older answer would stay. So the
       stream waits until the page knows the name.
     - Gradio ends the page's stream of answers once the last one has come. A call that is made just then may be taken
       before the page has read of the end: its answer would come on a stream that nobody reads, and the press of a
       button would do nothing. While a call that was taken is open the end is not handed on, and the next stream is
       read; and a call's name is not told while Gradio takes up the end. */
  const plain = window.fetch.bind(window);
  const PATIENCE = 5000;  /* milliseconds that one call may hold the others: a line may lose it */
  const after = (milliseconds) => new Promise((over) => setTimeout(over, milliseconds));

  const calls = new Map();  /* by name: whether it is open, and what waits until the page knows the name */
  let ending = Promise.resolve();  /* over once Gradio has surely taken up the last stream's end */
  const named = (name) => {
    if (!calls.has(name)) {
      let known;
      calls.set(name, { open: true, isKnown: new Promise((over) => { known = over; }), known });
      after(PATIENCE).then(known);
    }
    return calls.get(name);
  };

  let last = Promise.resolve();
  const inTurn = (call) => {
    const made = last.then(call);
    last = Promise.race([made.catch(() => {}), last.then(() => after(PATIENCE))]);
    return made;
  };
  const take = async (send) => {
    const answer = await send(), taken = await answer.clone().json().catch(() => null);
    if (!taken?.event_id) return answer;
    const call = named(taken.event_id);
    await ending;
    answer.json = async () => taken;  /* read already: the page knows the name before any timer runs */
    after(0).then(call.known);
    return answer;
  };
  const messages = async function* (answer) {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    try {
      for (let read = await reader.read(); !read.done; read = await reader.read()) {
        const parts = (rest + read.value).split(/\r?\n\r?\n/);
        rest = parts.pop();
        yield* parts;
      }
    } finally {
      reader.cancel().catch(() => {});  /* whoever stops listening lets the line go */
    }
  };
  const isWrongEnd = async (message) => {
    const { msg, event_id: name } = JSON.parse(message.slice(message.indexOf("{")));
    if (name) await named(name).isKnown;
    if (msg === "process_completed") named(name).open = false;
    if (msg !== "close_stream") return false;
    const wrong = [...calls.values()].some((call) => call.open);
    if (!wrong) ending = after(50);
    return wrong;
  };
  const goOn = async function* (answer, again) {
    for (;;) {
      let more = false;
      for await (const message of messages(answer)) {
        if (await isWrongEnd(message)) more = true; else yield `${message}\n\n`;
      }
      if (!more) return;
      answer = await again();
      if (!answer.ok) throw new Error("The stream of answers cannot be read any more.");  /* Gradio says so */
    }
  };
  const asAnswer = ({ status, headers }, texts) => {
    const encoder = new TextEncoder();
    const body = new ReadableStream({
      pull: async (to) => {
        const { value, done } = await texts.next();
        if (done) to.close(); else to.enqueue(encoder.encode(value));
      },
      cancel: () => texts.return(),
    });
    return new Response(body, { status, headers });
  };
  window.fetch = async (what, how) => {
    const call = () => plain(what, how), { pathname } = new URL(what.url ?? what, location.href);
    if (pathname.endsWith("/queue/join")) return inTurn(() => take(call));
    const answer = await call();
    return answer.ok && pathname.endsWith("/queue/data") ? asAnswer(answer, goOn(answer, call)) : answer;
  };
})();
