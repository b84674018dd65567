// Bare responder: answers as much of NVMe/TCP as a host needs to connect and to read and write, with nothing
// behind it: one thread, no storage, no checks but digests. The target that costs next to nothing.
// Read first: wire.h; NVMe/TCP 1.0 §3.3 "Data Transfer Model"; Base 2.0 §3.5 "Controller Initialization".
//   responder <namespaces> <blocks>      prints {"port":…}; ends when its stdin does
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <unistd.h>
#include "crc32c.h"

enum { IN_BYTES = 1 << 20, HEADERS = 8192, PAGES = 1024, MQES = 2048, IN_CAPSULE = 8192, BLOCK_SHIFT = 12 };
static const char NQN[] = "nqn.2026-01.dev.nvmeof:bench";
static uint8_t payload[DATA_BYTES_MAX]; // what every read returns
static uint8_t pages[PAGES][PAGE_BYTES]; // of answers to admin commands, used in turn
static unsigned next_page;
static uint32_t namespaces, epoll_fd;
static uint64_t blocks;

typedef struct {
  out_queue out;
  int admin, hdgst, ddgst;
  uint32_t cc;
  uint8_t in[IN_BYTES];
  size_t in_bytes;
  // Data of a write that is under way.
  size_t skip;
  uint32_t crc, digest_due;
  int owed; // CID of the write that is done when its data has come; -1 for a Connect
  uint8_t header[HEADERS][HEADER_BYTES + 4], digest[HEADERS][4];
  unsigned headers;
} conn;

static uint8_t *begin(conn *c, uint8_t type, uint8_t flags, size_t data) {
  uint8_t *h = c->header[c->headers % HEADERS];
  memset(h, 0, HEADER_BYTES);
  h[0] = type;
  h[1] = flags | (c->hdgst ? FLAG_HDGST : 0) | (data && c->ddgst ? FLAG_DDGST : 0);
  h[2] = HEADER_BYTES;
  h[3] = data ? HEADER_BYTES + 4 * c->hdgst : 0;
  wr32(h + 4, HEADER_BYTES + 4 * c->hdgst + data + (data && c->ddgst ? 4 : 0));
  return h;
}

static void end(conn *c, uint8_t *h, uint8_t *data, size_t data_bytes, uint32_t digest) {
  if (c->hdgst) wr32(h + HEADER_BYTES, crc32c(h, HEADER_BYTES));
  put(&c->out, h, HEADER_BYTES + 4 * c->hdgst);
  if (data_bytes) put(&c->out, data, data_bytes);
  if (data_bytes && c->ddgst) {
    uint8_t *d = c->digest[c->headers % HEADERS];
    wr32(d, digest);
    put(&c->out, d, 4);
  }
  c->headers++;
}

static void respond(conn *c, uint16_t cid, uint16_t status, uint32_t dw0, uint32_t dw1) {
  uint8_t *h = begin(c, CAPSULE_RESP, 0, 0);
  wr32(h + 8, dw0);
  wr32(h + 12, dw1);
  wr16(h + 20, cid);
  wr16(h + 22, status << 1);
  end(c, h, NULL, 0, 0);
}

static void send_data(conn *c, uint16_t cid, uint8_t *data, size_t bytes, uint32_t digest) {
  uint8_t *h = begin(c, C2H_DATA, FLAG_LAST | FLAG_SUCCESS, bytes);
  wr16(h + 8, cid);
  wr32(h + 16, bytes);
  end(c, h, data, bytes, digest);
}

static void send_r2t(conn *c, uint16_t cid, size_t bytes) {
  uint8_t *h = begin(c, R2T, 0, 0);
  wr16(h + 8, cid);
  wr16(h + 10, cid + 1);
  wr32(h + 16, bytes);
  end(c, h, NULL, 0, 0);
}

// ---- Admin: constant answers.
static void identify_controller(uint8_t *p) {
  memset(p + 4, ' ', 68);
  memcpy(p + 4, "0", 1);
  memcpy(p + 24, "bare responder", 14);
  memcpy(p + 64, "1", 1);
  wr16(p + 78, 1); // CNTLID
  wr32(p + 80, 0x20000); // VER
  p[111] = 1; // an I/O controller
  wr16(p + 320, 10); // KAS
  p[512] = 0x66;
  p[513] = 0x44;
  wr16(p + 514, MQES); // MAXCMD
  wr32(p + 516, namespaces); // NN
  wr32(p + 536, 0x300001); // SGLS: offset in capsule, transport
  memcpy(p + 768, NQN, sizeof NQN);
  wr32(p + 1792, (64 + IN_CAPSULE) / 16); // IOCCSZ
  wr32(p + 1796, 1); // IORCSZ
  p[1803] = 1; // MSDBD
}

static void identify_namespace(uint8_t *p, uint32_t nsid) {
  if (nsid == 0 || nsid > namespaces) return;
  memcpy(p, &blocks, 8);
  memcpy(p + 8, &blocks, 8);
  p[130] = BLOCK_SHIFT; // LBA format 0
}

static void descriptors(uint8_t *p, uint32_t nsid) {
  p[0] = 3; // a UUID
  p[1] = 16;
  memset(p + 4, 0x5a, 12);
  wr32(p + 16, nsid);
}

static void active_namespaces(uint8_t *p, uint32_t after) {
  for (uint32_t i = 0; i < PAGE_BYTES / 4 && after + 1 + i <= namespaces; i++) wr32(p + 4 * i, after + 1 + i);
}

static void identify(conn *c, const uint8_t *cmd) {
  uint8_t *page = pages[next_page++ % PAGES];
  uint32_t nsid = rd32(cmd + AT_NSID);
  memset(page, 0, PAGE_BYTES);
  switch (cmd[AT_CDW10]) {
    case 0: identify_namespace(page, nsid); break;
    case 1: identify_controller(page); break;
    case 2: active_namespaces(page, nsid); break;
    case 3: descriptors(page, nsid); break;
    case 6: break; // no limits of commands without data
    default: respond(c, rd16(cmd + AT_CID), 0x4002, 0, 0); return;
  }
  send_data(c, rd16(cmd + AT_CID), page, PAGE_BYTES, crc32c(page, PAGE_BYTES));
}

static void property_get(conn *c, uint16_t cid, uint32_t offset) {
  switch (offset) {
    case 0x00: respond(c, cid, 0, (MQES - 1) | 20u << 24, 1 << 5); break; // CAP: TO 10 s, NVM
    case 0x08: respond(c, cid, 0, 0x20000, 0); break; // VS
    case 0x14: respond(c, cid, 0, c->cc, 0); break;
    case 0x1c: respond(c, cid, 0, (c->cc & 1) | (c->cc >> 14 & 3 ? 8 : 0), 0); break; // CSTS
    default: respond(c, cid, 0x4002, 0, 0);
  }
}

static void fabrics(conn *c, const uint8_t *cmd) {
  uint16_t cid = rd16(cmd + AT_CID);
  switch (cmd[AT_NSID]) { // FCTYPE
    case 0: c->cc = rd32(cmd + 56); respond(c, cid, 0, 0, 0); break; // Property Set: CC
    case 1: c->admin = rd16(cmd + 50) == 0; respond(c, cid, 0, 1, 0); break; // Connect, CNTLID 1
    case 4: property_get(c, cid, rd32(cmd + AT_CDW11)); break;
    default: respond(c, cid, 0, 0, 0); // Disconnect
  }
}

static void admin(conn *c, const uint8_t *cmd) {
  uint16_t cid = rd16(cmd + AT_CID);
  switch (cmd[AT_OPC]) {
    case 0x06: identify(c, cmd); break;
    case 0x08: respond(c, cid, 0, 1, 0); break; // Abort: not aborted
    case 0x09: respond(c, cid, 0, rd32(cmd + AT_CDW11), 0); break; // Set Features: as asked
    case 0x0c: break; // no event will ever come
    case 0x18: respond(c, cid, 0, 0, 0); break; // Keep Alive
    default: respond(c, cid, 0x4001, 0, 0);
  }
}

// ---- A connection.
static void io(conn *c, const uint8_t *cmd) {
  static size_t digested;
  static uint32_t digest;
  uint16_t cid = rd16(cmd + AT_CID);
  size_t bytes = (size_t)(rd16(cmd + AT_CDW12) + 1) << BLOCK_SHIFT;
  if (bytes > DATA_BYTES_MAX) { fprintf(stderr, "a command for %zu bytes\n", bytes); exit(1); }
  if (cmd[AT_OPC] == 0) { respond(c, cid, 0, 0, 0); return; } // Flush
  if (cmd[AT_OPC] != 2) { send_r2t(c, cid, bytes); return; }
  if (c->ddgst && bytes != digested) { digest = crc32c(payload, bytes); digested = bytes; }
  send_data(c, cid, payload, bytes, digest);
}

static void command(conn *c, const uint8_t *cmd) {
  if (cmd[AT_OPC] == 0x7f) fabrics(c, cmd);
  else if (c->admin) admin(c, cmd);
  else io(c, cmd);
}

static void initialize(conn *c, const uint8_t *request) {
  static uint8_t answers[256][IC_BYTES];
  static unsigned used;
  uint8_t *p = answers[used++ % 256];
  memset(p, 0, IC_BYTES);
  p[0] = IC_RESP;
  p[2] = IC_BYTES;
  wr32(p + 4, IC_BYTES);
  p[11] = request[11]; // digests as asked
  wr32(p + 12, DATA_BYTES_MAX); // MAXH2CDATA
  put(&c->out, p, IC_BYTES);
  c->hdgst = request[11] & 1;
  c->ddgst = request[11] >> 1 & 1;
}

// The data of a write, and its digest; how many bytes of what has come belong to it.
static size_t take_data(conn *c, const uint8_t *p, size_t have) {
  size_t tail = c->ddgst ? 4 : 0, took = have < c->skip ? have : c->skip;
  if (c->skip > tail && c->ddgst) {
    size_t data = took < c->skip - tail ? took : c->skip - tail;
    c->crc = crc_update(c->crc, p, data);
    c->skip -= data;
    return data;
  }
  if (c->ddgst && took < c->skip) return 0; // a digest that is cut
  if (c->ddgst && rd32(p) != ~c->crc) { fprintf(stderr, "bad data digest\n"); exit(1); }
  c->skip -= took;
  return took;
}

static void expect_data(conn *c, const uint8_t *pdu, int owed) {
  c->skip = rd32(pdu + 4) - pdu[3];
  c->crc = ~0u;
  c->owed = owed;
}

// Consumes whole headers; data of writes is counted and dropped.
static void parse(conn *c) {
  size_t at = 0;
  for (;;) {
    uint8_t *p = c->in + at;
    size_t have = c->in_bytes - at;
    if (c->skip) {
      size_t took = take_data(c, p, have);
      at += took;
      if (c->skip && took) continue;
      if (c->skip) break;
      if (c->owed >= 0) respond(c, c->owed, 0, 0, 0);
      continue;
    }
    if (have < 8 || have < (p[3] ? p[3] : (size_t)p[2] + 4 * c->hdgst * (p[0] != IC_REQ))) break;
    if (c->hdgst && p[0] != IC_REQ && rd32(p + p[2]) != crc32c(p, p[2])) { fprintf(stderr, "bad header digest\n"); exit(1); }
    at += p[3] ? p[3] : (size_t)p[2] + 4 * c->hdgst * (p[0] != IC_REQ);
    switch (p[0]) {
      case IC_REQ: initialize(c, p); break;
      case CAPSULE_CMD: {
        int with_data = p[3] != 0, is_write = !c->admin && p[AT_OPC] == 1;
        if (with_data) expect_data(c, p, is_write ? rd16(p + AT_CID) : -1);
        if (!with_data || !is_write) command(c, p);
        break;
      }
      case H2C_DATA: expect_data(c, p, rd16(p + 8)); break;
      default: fprintf(stderr, "a PDU of type %d\n", p[0]); exit(1);
    }
  }
  if (at == 0) return;
  memmove(c->in, c->in + at, c->in_bytes - at);
  c->in_bytes -= at;
}

static void accept_one(int listener) {
  int one = 1;
  conn *c = calloc(1, sizeof *c);
  c->out.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
  if (c->out.fd < 0) { free(c); return; }
  c->admin = 1;
  c->out.epoll = epoll_fd;
  c->out.owner = c;
  setsockopt(c->out.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct epoll_event event = { EPOLLIN, { c } };
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->out.fd, &event);
}

static void serve(conn *c, uint32_t events) {
  int broken = !(events & (EPOLLIN | EPOLLOUT));
  if (events & EPOLLIN) {
    ssize_t got = recv(c->out.fd, c->in + c->in_bytes, IN_BYTES - c->in_bytes, 0);
    if (got <= 0) broken = !(got < 0 && errno == EAGAIN);
    else {
      c->in_bytes += got;
      parse(c);
      broken = flush(&c->out);
    }
  } else if (!broken) broken = flush(&c->out);
  if (!broken) return;
  close(c->out.fd);
  free(c);
}

int main(int argc, char **argv) {
  struct rlimit files;
  if (!getrlimit(RLIMIT_NOFILE, &files)) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  namespaces = argc > 1 ? atoi(argv[1]) : 1;
  blocks = argc > 2 ? atoll(argv[2]) : 16384;
  crc_init();
  for (size_t i = 0; i < sizeof payload; i++) payload[i] = i * 31;
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0), stdin_mark, listener_mark;
  if (bind(listener, (void *)&address, size) || listen(listener, 4096)) return perror("listen"), 1;
  getsockname(listener, (void *)&address, &size);
  epoll_fd = epoll_create1(0);
  struct epoll_event event = { EPOLLIN, { &listener_mark } }, ready[64];
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
  event.data.ptr = &stdin_mark;
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, 0, &event);
  printf("{\"port\":%d}\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    int count = epoll_wait(epoll_fd, ready, 64, -1);
    for (int i = 0; i < count; i++) {
      void *mark = ready[i].data.ptr;
      if (mark == &listener_mark) accept_one(listener);
      else if (mark == &stdin_mark) { char drop[64]; if (read(0, drop, sizeof drop) <= 0) return 0; }
      else serve(mark, ready[i].events);
    }
  }
}
