// A partner's Dispatch Connect client in JavaScript, from the protocol's facts and Node's standard library alone.
//
//     node connect_client.mjs <command> < orders.json      command: post, poll
//
// The same program as connect_client.py: orders as one JSON object on its input, what came of them on its output.

import { createHmac } from "node:crypto";
import { request } from "node:http";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";

const BATCH = 10;

// The answer to one signed request, read as JSON: exactly 200, whatever else there may be.
function call(orders, path, body, headers = {}) {
  const signature = createHmac("sha256", Buffer.from(orders.secret, "hex")).update(body).digest("hex");
  const options = {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-dispatch-key": orders.key,
      "x-dispatch-signature": signature,
      "content-length": body.length,
      ...headers,
    },
  };
  return new Promise((resolve, reject) => {
    const sent = request(new URL(path, orders.url), options, async (answer) => {
      const told = await text(answer);
      if (answer.statusCode !== 200) {
        reject(new Error(`${path}: unauthorized (${answer.statusCode} ${told})`));
        return;
      }
      try {
        resolve(JSON.parse(told));
      } catch (error) {
        reject(error);
      }
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

function insist(isSo, expected) {
  if (!isSo) throw new Error(`${expected} is expected`);
}

// Compressed, and signed as compressed; nothing announces the compression.
async function post(orders) {
  const body = gzipSync(Buffer.from(JSON.stringify(orders.records), "utf8"));
  return call(orders, "/agent/in", body, orders.message_id ? { messageid: orders.message_id } : {});
}

// Takes and acknowledges, message by message, until less than a whole batch comes.
async function poll(orders) {
  const taken = [];
  const acknowledged = [];
  for (;;) {
    const messages = await call(orders, "/agent/out", Buffer.from(`{"maxNumberOfMessages":${BATCH}}`));
    insist(Array.isArray(messages) && messages.length <= BATCH, "an array of at most ten messages");
    for (const element of messages) {
      taken.push(read(element));
      acknowledged.push(await acknowledge(orders, element.Message));
    }
    if (messages.length < BATCH && !(messages.length && orders.until_empty)) return { taken, acknowledged };
  }
}

// What a message puts, as the published samples reach for it.
function read(element) {
  const message = element.Message;
  const { ProcedureID, Type, Payload } = message.Request;
  for (const told of [message.ID, message.Receipt, ProcedureID, Type]) {
    insist(typeof told === "string" && /^[^"\\\p{Cc}]+$/u.test(told), "a printable text without quotes");
  }
  const first = Payload.Actions[0];
  insist(typeof first.ID === "string" && Object.keys(first.Put).length === 1, "an action that puts one entity");
  const [entity, put] = Object.entries(first.Put)[0];
  if (entity === "job") readJob(put);
  return { id: message.ID, entity, put };
}

// The members that clients read without looking whether they are there.
function readJob(job) {
  insist(Number.isInteger(job.id), "an integer id");
  const { first_name, last_name, phone_number } = job.customer;
  for (const told of [job.title, job.status, job.created_at, job.updated_at, first_name, last_name, phone_number]) {
    insist(typeof told === "string", "a text");
  }
  insist(Array.isArray(job.external_ids) && Array.isArray(job.equipment_descriptions), "a list");
  insist(typeof job.address === "object" && typeof job.custom_fields === "object", "an object");
}

// The JSON of it is put together by hand: what stands in `Error` is not escaped.
function acknowledge(orders, message) {
  const { Receipt, Request } = message;
  const result = orders.result ?? "success";
  const body =
    `{"Receipt": "${Receipt}", "ProcedureID": "${Request.ProcedureID}", ` +
    `"Result": "${result}", "Error": "${orders.error ?? ""}"}`;
  return call(orders, "/agent/ack", Buffer.from(body, "utf8"));
}

try {
  const command = { post, poll }[process.argv[2]];
  console.log(JSON.stringify(await command(JSON.parse(await text(process.stdin)))));
} catch (error) {
  console.error(String(error));
  process.exitCode = 1;
}
