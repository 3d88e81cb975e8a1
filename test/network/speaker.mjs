// Two ends of a conversation, to be started inside network namespaces.
//   serve tcp|udp PORT NAME            answers each request with "NAME <address of the client>"
//   ask tcp|udp ADDRESS PORT [COUNT] [OWN PORT]  prints one line per request: the answer, or why there is none
import dgram from "node:dgram";
import net from "node:net";

const [role, protocol, ...rest] = process.argv.slice(2);
const PATIENCE_MS = 2000;

function serve(port, name) {
  const ready = () => console.log("ready");
  if (protocol === "tcp") {
    net
      .createServer((socket) => {
        socket.on("error", () => undefined);
        socket.end(`${name} ${socket.remoteAddress?.replace("::ffff:", "")}`);
      })
      .listen({ port, host: "::" }, ready);
  } else {
    const socket = dgram.createSocket("udp4");
    socket.on("message", (_, peer) =>
      socket.send(`${name} ${peer.address}`, peer.port, peer.address),
    );
    socket.bind(port, ready);
  }
}

function askTcp(host, port) {
  return new Promise((resolve) => {
    let text = "";
    const socket = net.connect({ host, port });
    socket.setTimeout(PATIENCE_MS, () => {
      socket.destroy();
      resolve("timeout");
    });
    socket.on("data", (data) => {
      text += data;
    });
    socket.on("end", () => resolve(text));
    socket.on("error", (error) => resolve(error.code));
  });
}

function askUdp(host, port, ownPort) {
  return new Promise((resolve) => {
    const socket = dgram.createSocket("udp4");
    const finish = (answer) => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => finish("timeout"), PATIENCE_MS);
    socket.on("message", (data) => finish(String(data)));
    socket.on("error", (error) => finish(error.code));
    socket.bind(ownPort, () => socket.connect(port, host, () => socket.send("?")));
  });
}

if (role === "serve") {
  serve(Number(rest[0]), rest[1]);
} else {
  const [host, port, count = "1", ownPort = "0"] = rest;
  for (let i = 0; i < Number(count); i++) {
    const ask = protocol === "tcp" ? askTcp : askUdp;
    console.log(await ask(host, Number(port), Number(ownPort)));
  }
}
