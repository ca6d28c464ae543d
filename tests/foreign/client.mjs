// A client that knows nothing of the market but its IDLs: npm's Anchor decodes accounts and events, and builds instructions.
//
// node client.mjs REQUEST.json > ANSWER.json, where GRIDLEASE_FOREIGN_DIR is a folder with package.json and node_modules.
// Every number in the answer is a decimal string, so that none loses digits on the way.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.GRIDLEASE_FOREIGN_DIR, "package.json"));
const { AnchorError, BN, BorshCoder, Program } = require("@anchor-lang/core");
const { PublicKey } = require("@solana/web3.js");

// What a program calls itself with to tell an event: these eight bytes, then the event.
const EVENT_TAG = Buffer.from([0xe4, 0x45, 0xa5, 0x2e, 0x51, 0xcb, 0x9a, 0x1d]);

const request = JSON.parse(readFileSync(process.argv[2], "utf8"));
const idls = request.idls.map((path) => JSON.parse(readFileSync(path, "utf8")));

function coder(program) {
  const idl = idls.find((one) => one.address === program);
  if (idl === undefined) throw new Error(`no IDL of program ${program}`);
  return { idl, coder: new BorshCoder(idl) };
}

// A decoded value as plain JSON.
function plain(value) {
  if (value === null || value === undefined) return null;
  if (value instanceof PublicKey) return value.toBase58();
  if (BN.isBN(value)) return value.toString(10);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value === "string") return value;
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return Array.from(value, plain);
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]));
}

function account({ program, data }) {
  const { idl, coder: { accounts } } = coder(program);
  const bytes = Buffer.from(data, "hex");
  const found = idl.accounts.find((one) => bytes.subarray(0, 8).equals(Buffer.from(one.discriminator)));
  if (found === undefined) throw new Error(`no account of ${program} begins with ${data.slice(0, 16)}`);
  const size = accounts.size(found.name);
  return {
    name: found.name,
    fields: plain(accounts.decode(found.name, bytes)),
    tail: bytes.subarray(size).toString("hex"),
  };
}

function event({ program, data }) {
  const bytes = Buffer.from(data, "hex");
  if (!bytes.subarray(0, 8).equals(EVENT_TAG)) throw new Error(`this is no event: ${data.slice(0, 16)}`);
  const decoded = coder(program).coder.events.decode(bytes.subarray(8).toString("base64"));
  if (decoded === null) throw new Error(`no event of ${program} begins with ${data.slice(16, 32)}`);
  return { name: decoded.name, fields: plain(decoded.data) };
}

// What a person is shown of a refused transaction: what Anchor finds in its log.
function refusal(logs) {
  const error = AnchorError.parse(logs);
  return error === null ? null : { name: error.error.errorCode.code, code: error.error.errorCode.number, sentence: error.error.errorMessage };
}

// The instructions by which somebody becomes a buyer: purse, deposit, job. Addresses come from the seeds in the IDL.
async function becomeBuyer({ owner, config, mint, wallet, amount, number }) {
  const key = new PublicKey(owner);
  const provider = { publicKey: key, connection: undefined };
  const market = new Program(idls[0], provider);
  const open = market.methods.openPurse().accountsPartial({ owner: key, config, usdcMint: mint });
  const { purse, vault } = await open.pubkeys();
  const deposit = market.methods
    .deposit(new BN(amount))
    .accountsPartial({ depositor: key, config, purse, vault, from: wallet });
  const uri = "https://foreign.example/job.json";
  const need = {
    gpuModels: new BN(2), gpuModelsHigh: new BN(0), minStake: new BN(0), vramMib: 40_960, cpuMilli: 4_000, memoryMib: 16_384, diskMib: 51_200,
    regions: 2, downMbit: 100, upMbit: 100, flags: 8, computeCapability: 80, cuda: 1_200, minReputation: 0, gpuCount: 1,
  };
  const args = {
    requirement: need, manifestHash: Array(32).fill(21), imageDigest: Array(32).fill(22), maxPrice: new BN(1_800_000),
    maxDurationS: 7_200, windowS: 12, waitS: 86_400, reviewS: 0, revealS: 0, noticeS: 0, checkpointS: 0, imageMb: 500,
    weights: [4_000, 3_000, 2_000, 1_000], attempts: 3, mode: 0, verifyClass: 0, manifestUri: uri,
  };
  const post = market.methods.postJob(new BN(number), uri.length, args).accountsPartial({ signer: key, config, purse });
  const plainInstruction = async (builder) => {
    const { programId, keys, data } = await builder.instruction();
    return {
      program: programId.toBase58(),
      accounts: keys.map(({ pubkey, isSigner, isWritable }) => [pubkey.toBase58(), isSigner, isWritable]),
      data: data.toString("hex"),
    };
  };
  return Promise.all([open, deposit, post].map(plainInstruction));
}

const answer = {
  accounts: (request.accounts ?? []).map(account),
  events: (request.events ?? []).map(event),
  refusals: (request.logs ?? []).map(refusal),
  instructions: request.buyer === undefined ? [] : await becomeBuyer(request.buyer),
};
process.stdout.write(JSON.stringify(answer));
