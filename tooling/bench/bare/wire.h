// What both bare programs share: fields of NVMe/TCP PDUs in place, and a queue of bytes to send.
// Read first: NVMe/TCP 1.0 §3.6 "PDU Definitions". Nothing here checks a peer: it is the benchmark's own.
#ifndef WIRE_H
#define WIRE_H
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { IC_REQ = 0, IC_RESP = 1, CAPSULE_CMD = 4, CAPSULE_RESP = 5, H2C_DATA = 6, C2H_DATA = 7, R2T = 9 };
enum { FLAG_HDGST = 1, FLAG_DDGST = 2, FLAG_LAST = 4, FLAG_SUCCESS = 8 };
enum { IC_BYTES = 128, CMD_BYTES = 72, HEADER_BYTES = 24, PAGE_BYTES = 4096, DATA_BYTES_MAX = 1 << 20 };
// Offsets in a CapsuleCmd: those of the SQE, and 8 for the common header.
enum { AT_OPC = 8, AT_CID = 10, AT_NSID = 12, AT_SGL_LENGTH = 40, AT_SGL_ID = 47, AT_CDW10 = 48, AT_CDW11 = 52, AT_CDW12 = 56 };

static inline uint16_t rd16(const uint8_t *p) { uint16_t v; memcpy(&v, p, 2); return v; }
static inline uint32_t rd32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static inline void wr16(uint8_t *p, uint16_t v) { memcpy(p, &v, 2); }
static inline void wr32(uint8_t *p, uint32_t v) { memcpy(p, &v, 4); }

// ---- What is to be sent, in order: pieces by reference, gathered into as few calls as the kernel takes.
enum { PIECES = 8192, PIECES_A_CALL = 1024 };
typedef struct { struct iovec piece[PIECES]; unsigned head, tail; int fd, epoll, armed; void *owner; } out_queue;

static void put(out_queue *out, void *bytes, size_t count) {
  if (out->tail - out->head == PIECES) { fprintf(stderr, "too much to send\n"); exit(1); }
  out->piece[out->tail++ & (PIECES - 1)] = (struct iovec){ bytes, count };
}

static void want_room(out_queue *out, int wanted) {
  if (out->armed == wanted) return;
  out->armed = wanted;
  struct epoll_event event = { EPOLLIN | (wanted ? EPOLLOUT : 0), { out->owner } };
  epoll_ctl(out->epoll, EPOLL_CTL_MOD, out->fd, &event);
}

// Sends what the socket takes; -1 where it is broken.
static int flush(out_queue *out) {
  while (out->head != out->tail) {
    unsigned at = out->head & (PIECES - 1), count = out->tail - out->head;
    if (count > PIECES - at) count = PIECES - at;
    if (count > PIECES_A_CALL) count = PIECES_A_CALL;
    struct msghdr message = { .msg_iov = out->piece + at, .msg_iovlen = count };
    ssize_t sent = sendmsg(out->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN) return -1;
      want_room(out, 1);
      return 0;
    }
    while (sent > 0) {
      struct iovec *piece = &out->piece[out->head & (PIECES - 1)];
      if ((size_t)sent < piece->iov_len) {
        piece->iov_base = (uint8_t *)piece->iov_base + sent;
        piece->iov_len -= sent;
        break;
      }
      sent -= piece->iov_len;
      out->head++;
    }
  }
  want_room(out, 0);
  return 0;
}
#endif
