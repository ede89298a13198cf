// The documented examples of Codex's TypeScript SDK, with codexctl in place of Codex: a line for each, as JSON.
// Usage: node sdk_steps.mjs SDK CODEXCTL FOLDER
import fs from "node:fs";
import path from "node:path";

const [sdk, codexctl, folder] = process.argv.slice(2);
const { Codex } = await import(sdk);
const say = (step, found) => console.log(JSON.stringify({ step, ...found }));
const png =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const image = path.join(folder, "ui.png");
fs.writeFileSync(image, Buffer.from(png, "base64"));

const codex = new Codex({
  codexPathOverride: codexctl,
  config: { show_raw_agent_reasoning: true, sandbox_workspace_write: { network_access: true } },
  env: { ...process.env, FROM_THE_PROGRAM: "yes" },
});
const options = { workingDirectory: folder, skipGitRepoCheck: true };
const thread = codex.startThread({
  ...options,
  sandboxMode: "danger-full-access",
  modelReasoningEffort: "low",
  networkAccessEnabled: true,
  webSearchMode: "disabled",
  approvalPolicy: "never",
  additionalDirectories: [path.dirname(folder)],
});

let turn = await thread.run("say 2 6");
say("run", { answer: turn.finalResponse, usage: turn.usage });
turn = await thread.run("run pwd");
const ran = turn.items.find((item) => item.type === "command_execution");
say("run again", { output: ran.aggregated_output, exit: ran.exit_code, usage: turn.usage });

const types = [];
const { events } = await thread.runStreamed("run false");
for await (const event of events) types.push(event.item ? `${event.type} ${event.item.type}` : event.type);
say("stream", { types });

const schema = { type: "object", properties: { summary: { type: "string" } }, required: ["summary"] };
turn = await thread.run("say 1 6", { outputSchema: schema });
say("output schema", { answer: turn.finalResponse });
turn = await thread.run([
  { type: "text", text: "say 1 6" },
  { type: "local_image", path: image },
]);
say("image", { answer: turn.finalResponse });

const again = codex.resumeThread(thread.id, options);
turn = await again.run("say 1 6");
say("resume", { answer: turn.finalResponse, same: again.id === thread.id });

const controller = new AbortController();
const stopped = codex.startThread(options);
try {
  const streamed = await stopped.runStreamed("hang 600", { signal: controller.signal });
  for await (const event of streamed.events) if (event.type === "turn.started") controller.abort();
  say("abort", { error: "none" });
} catch (error) {
  say("abort", { error: error.name, thread: stopped.id });
}
try {
  await codex.startThread(options).run("error invalid_prompt");
} catch (error) {
  say("failed turn", { error: error.message });
}
try {
  await codex.startThread({ workingDirectory: folder }).run("say 1");
} catch (error) {
  say("no repository", { error: error.message });
}
