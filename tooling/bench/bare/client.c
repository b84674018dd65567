// Bare client: what the kernel allows when the host costs next to nothing; and the load for targets.
// Read first: wire.h; ../meter.ts for what is said and heard; queue.ts for the same bring-up in TypeScript.
//   client '{"port":…,"op":"read","bytes":4096,"depth":128}'      runs a slice for each line of stdin
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "wire.h"

enum { IN_BYTES = 1 << 20, DEPTH_MAX = 1024, BLOCK_SHIFT = 12, SAMPLES_MAX = 1 << 20, SMALL_BYTES_MAX = 8192 };
static out_queue out;
static uint8_t in[IN_BYTES], data[DATA_BYTES_MAX], capsule[DEPTH_MAX][CMD_BYTES], data_header[DEPTH_MAX][HEADER_BYTES];
static size_t in_bytes, left;
static uint32_t bytes, depth, blocks, random_state = 0x2545f491;
static int is_write, in_capsule, completes;
static const char NQN[] = "nqn.2026-01.dev.nvmeof:bench";
static const char HOST_NQN[] = "nqn.2014-08.org.nvmexpress:uuid:3e1f0c8a-52a4-4c7b-9a5f-7d0f2a6f1b04";

// What is counted, as in Meter.
static uint64_t submitted, completed, failed, since_ns, since_completed, warm_ios, warm_ns, measure_ns, submitted_ns, elapsed_ns, ios;
static float samples[SAMPLES_MAX];
static size_t sampled;
static enum { OVER, WARM_UP, MEASURED } phase;
static struct rusage since_usage, end_usage;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

// ---- Bring-up: one thing at a time, waiting for each answer.
static void receive(int fd, uint8_t *into, size_t count) {
  for (size_t have = 0; have < count;) {
    ssize_t got = recv(fd, into + have, count - have, 0);
    if (got <= 0) fail("recv");
    have += got;
  }
}

static int open_connection(int port) {
  static uint8_t request[IC_BYTES], answer[IC_BYTES];
  int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
  if (connect(fd, (void *)&address, sizeof address)) fail("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  request[0] = IC_REQ;
  request[2] = IC_BYTES;
  wr32(request + 4, IC_BYTES);
  if (write(fd, request, IC_BYTES) != IC_BYTES) fail("write");
  receive(fd, answer, IC_BYTES);
  return fd;
}

// Sends a command with its data in the capsule; gives Dword 0 of its completion.
static uint32_t command(int fd, uint8_t *cmd, const uint8_t *with, uint32_t count) {
  static uint8_t pdu[CMD_BYTES + 1024], answer[HEADER_BYTES];
  cmd[0] = CAPSULE_CMD;
  cmd[2] = CMD_BYTES;
  cmd[3] = count ? CMD_BYTES : 0;
  wr32(cmd + 4, CMD_BYTES + count);
  cmd[9] = 0x40; // PSDT: SGL
  wr32(cmd + AT_SGL_LENGTH, count);
  cmd[AT_SGL_ID] = count ? 0x01 : 0x5a;
  memcpy(pdu, cmd, CMD_BYTES);
  if (count) memcpy(pdu + CMD_BYTES, with, count);
  if (write(fd, pdu, CMD_BYTES + count) != (ssize_t)(CMD_BYTES + count)) fail("write");
  receive(fd, answer, HEADER_BYTES);
  if (answer[0] != CAPSULE_RESP || rd16(answer + 22) >> 1) {
    fprintf(stderr, "a command of the bring-up: PDU type %d, status %x\n", answer[0], rd16(answer + 22) >> 1);
    exit(1);
  }
  return rd32(answer + 8);
}

static uint32_t connect_queue(int fd, int qid, int entries, uint16_t cntlid) {
  uint8_t cmd[CMD_BYTES] = { 0 }, parameters[1024] = { 0x3e, 0x1f, 0x0c, 0x8a, 0x52, 0xa4, 0x4c, 0x7b, 0x9a, 0x5f, 0x7d, 0x0f, 0x2a, 0x6f, 0x1b, 0x04 };
  cmd[AT_OPC] = 0x7f;
  cmd[AT_NSID] = 1; // FCTYPE: Connect
  wr16(cmd + 50, qid);
  wr16(cmd + 52, entries - 1);
  cmd[54] = qid ? 4 : 0; // no SQ flow control
  wr16(parameters + 16, cntlid);
  memcpy(parameters + 256, NQN, sizeof NQN);
  memcpy(parameters + 512, HOST_NQN, sizeof HOST_NQN);
  return command(fd, cmd, parameters, sizeof parameters) & 0xffff;
}

static int bring_up(int port) {
  int admin = open_connection(port);
  uint16_t cntlid = connect_queue(admin, 0, 32, 0xffff);
  uint8_t enable[CMD_BYTES] = { [AT_OPC] = 0x7f, [AT_NSID] = 0, [AT_CDW11] = 0x14 };
  wr32(enable + 56, 6 << 16 | 4 << 20 | 1);
  command(admin, enable, NULL, 0);
  for (uint32_t ready = 0; !ready;) {
    uint8_t get[CMD_BYTES] = { [AT_OPC] = 0x7f, [AT_NSID] = 4, [AT_CDW11] = 0x1c };
    ready = command(admin, get, NULL, 0) & 1;
  }
  uint8_t queues[CMD_BYTES] = { [AT_OPC] = 0x09, [AT_CDW10] = 0x07 };
  command(admin, queues, NULL, 0);
  int io = open_connection(port);
  connect_queue(io, 1, depth + 1, cntlid);
  return io;
}

// ---- The load.
static void begin_measure(uint64_t t) {
  phase = MEASURED;
  since_completed = completed;
  since_ns = t;
  getrusage(RUSAGE_SELF, &since_usage);
}

static void end_measure(uint64_t t) {
  phase = OVER;
  ios = completed - since_completed;
  elapsed_ns = t - since_ns;
  getrusage(RUSAGE_SELF, &end_usage);
}

// The I/O of lane 0 has completed, and the next one is about to go out.
static void tick(void) {
  uint64_t t = now_ns();
  if (phase == MEASURED) {
    samples[sampled++ % SAMPLES_MAX] = (t - submitted_ns) / 1e3;
    if (t - since_ns >= measure_ns) end_measure(t);
  } else if (phase == WARM_UP && t - since_ns >= warm_ns && completed - since_completed >= warm_ios) begin_measure(t);
  submitted_ns = t;
}

static void submit(int cid) {
  uint32_t blocks_each = bytes >> BLOCK_SHIFT;
  random_state = random_state * 1664525 + 1013904223;
  submitted++;
  wr32(capsule[cid] + AT_CDW10, (random_state >> 9 & (blocks - 1)) & ~(blocks_each - 1));
  put(&out, capsule[cid], CMD_BYTES);
  if (in_capsule) put(&out, data, bytes);
}

static void complete(int cid) {
  completed++;
  if (cid == 0) tick();
  if (phase != OVER) submit(cid);
}

// The header of the data that an R2T asks for: its tag and its range, as they came.
static void send_data(const uint8_t *r2t) {
  uint8_t *h = data_header[rd16(r2t + 8)];
  memcpy(h, r2t, HEADER_BYTES);
  h[0] = H2C_DATA;
  h[1] = FLAG_LAST;
  h[3] = HEADER_BYTES;
  wr32(h + 4, HEADER_BYTES + rd32(r2t + 16));
  put(&out, h, HEADER_BYTES);
  put(&out, data, rd32(r2t + 16));
}

static void parse(void) {
  size_t at = 0;
  for (;;) {
    if (left) {
      size_t took = in_bytes - at < left ? in_bytes - at : left;
      at += took;
      left -= took;
      if (left) break;
      if (completes >= 0) complete(completes);
      continue;
    }
    if (in_bytes - at < HEADER_BYTES) break;
    uint8_t *p = in + at;
    at += HEADER_BYTES;
    switch (p[0]) {
      case C2H_DATA:
        completes = p[1] & FLAG_SUCCESS ? rd16(p + 8) : -1;
        left = rd32(p + 4) - HEADER_BYTES;
        break;
      case CAPSULE_RESP:
        if (rd16(p + 22) >> 1) failed++;
        complete(rd16(p + 20));
        break;
      case R2T: send_data(p); break;
      default: fprintf(stderr, "a PDU of type %d\n", p[0]); exit(1);
    }
  }
  memmove(in, in + at, in_bytes - at);
  in_bytes -= at;
}

static void run_slice(void) {
  phase = WARM_UP;
  sampled = 0;
  since_completed = completed;
  since_ns = submitted_ns = now_ns();
  for (uint32_t cid = 0; cid < depth; cid++) submit(cid);
  if (flush(&out)) fail("send");
  while (phase != OVER || completed != submitted) {
    struct epoll_event event;
    if (epoll_wait(out.epoll, &event, 1, -1) < 1) continue;
    if (event.events & EPOLLIN) {
      ssize_t got = recv(out.fd, in + in_bytes, IN_BYTES - in_bytes, MSG_DONTWAIT);
      if (got == 0 || (got < 0 && errno != EAGAIN)) fail("recv");
      if (got > 0) {
        in_bytes += got;
        parse();
      }
    }
    if (flush(&out)) fail("send");
  }
}

static int by_size(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static double us_of(struct timeval from, struct timeval to) {
  return (to.tv_sec - from.tv_sec) * 1e6 + to.tv_usec - from.tv_usec;
}

static void say_result(void) {
  size_t count = sampled < SAMPLES_MAX ? sampled : SAMPLES_MAX;
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += samples[i];
  qsort(samples, count, sizeof *samples, by_size);
  printf("{\"ios\":%llu,\"elapsedMs\":%.3f,\"meanUs\":%.3f,\"p50Us\":%.1f,\"p99Us\":%.1f,\"userUs\":%.4f,\"systemUs\":%.4f,"
         "\"rssBytes\":%ld,\"submitted\":%llu,\"completed\":%llu,\"failed\":%llu}\n",
         (unsigned long long)ios, elapsed_ns / 1e6, count ? sum / count : 0, count ? samples[count / 2] : 0,
         count ? samples[(size_t)(count * 0.99)] : 0, us_of(since_usage.ru_utime, end_usage.ru_utime) / ios,
         us_of(since_usage.ru_stime, end_usage.ru_stime) / ios, end_usage.ru_maxrss * 1024,
         (unsigned long long)submitted, (unsigned long long)completed, (unsigned long long)failed);
  fflush(stdout);
}

// A number of flat JSON that we wrote ourselves.
static double number(const char *json, const char *name) {
  const char *at = strstr(json, name);
  return at ? atof(at + strlen(name)) : 0;
}

static void prepare(void) {
  for (uint32_t cid = 0; cid < depth; cid++) {
    uint8_t *c = capsule[cid];
    c[0] = CAPSULE_CMD;
    c[2] = CMD_BYTES;
    c[3] = in_capsule ? CMD_BYTES : 0;
    wr32(c + 4, CMD_BYTES + (in_capsule ? bytes : 0));
    c[AT_OPC] = is_write ? 1 : 2;
    c[9] = 0x40; // PSDT: SGL
    wr16(c + AT_CID, cid);
    wr32(c + AT_NSID, 1);
    wr32(c + AT_SGL_LENGTH, bytes);
    c[AT_SGL_ID] = in_capsule ? 0x01 : 0x5a;
    wr16(c + AT_CDW12, (bytes >> BLOCK_SHIFT) - 1);
  }
  for (size_t i = 0; i < sizeof data; i++) data[i] = i * 31;
}

int main(int argc, char **argv) {
  if (argc != 2) return fprintf(stderr, "wants its options as JSON\n"), 2;
  bytes = number(argv[1], "\"bytes\":");
  depth = number(argv[1], "\"depth\":");
  blocks = number(argv[1], "\"blocks\":");
  if (!blocks) blocks = 16384;
  is_write = strstr(argv[1], "\"write\"") != NULL;
  in_capsule = is_write && bytes <= SMALL_BYTES_MAX;
  if (!depth || depth > DEPTH_MAX || !bytes || bytes > DATA_BYTES_MAX || (blocks & (blocks - 1))) return fprintf(stderr, "bad options\n"), 2;
  prepare();
  out.fd = bring_up(number(argv[1], "\"port\":"));
  out.epoll = epoll_create1(0);
  struct epoll_event event = { EPOLLIN, { NULL } };
  epoll_ctl(out.epoll, EPOLL_CTL_ADD, out.fd, &event);
  printf("{\"ready\":true}\n");
  fflush(stdout);
  for (char line[256]; fgets(line, sizeof line, stdin);) {
    warm_ns = number(line, "\"warmMs\":") * 1e6;
    warm_ios = number(line, "\"warmIos\":");
    measure_ns = number(line, "\"measureMs\":") * 1e6;
    run_slice();
    say_result();
  }
  return 0;
}
