// CRC32C: by instruction where the processor has one, else slicing by 8.
// Read first: wire.h; NVMe/TCP 1.0 §3.3.1.1 "Digests".
#ifndef CRC32C_H
#define CRC32C_H
#include "wire.h"

static uint32_t crc_table[8][256];

static void crc_init(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t v = i;
    for (int bit = 0; bit < 8; bit++) v = v & 1 ? v >> 1 ^ 0x82f63b78 : v >> 1;
    crc_table[0][i] = v;
  }
  for (int t = 1; t < 8; t++)
    for (int i = 0; i < 256; i++) crc_table[t][i] = crc_table[t - 1][i] >> 8 ^ crc_table[0][crc_table[t - 1][i] & 255];
}

static uint32_t crc_by_table(uint32_t crc, const uint8_t *p, size_t n) {
  for (; n >= 8; p += 8, n -= 8) {
    uint32_t low = rd32(p) ^ crc, high = rd32(p + 4);
    crc = crc_table[7][low & 255] ^ crc_table[6][low >> 8 & 255] ^ crc_table[5][low >> 16 & 255] ^ crc_table[4][low >> 24] ^
          crc_table[3][high & 255] ^ crc_table[2][high >> 8 & 255] ^ crc_table[1][high >> 16 & 255] ^ crc_table[0][high >> 24];
  }
  while (n--) crc = crc >> 8 ^ crc_table[0][(crc ^ *p++) & 255];
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_by_instruction(uint32_t crc, const uint8_t *p, size_t n) {
  uint64_t v = crc;
  for (; n >= 8; p += 8, n -= 8) { uint64_t word; memcpy(&word, p, 8); v = __builtin_ia32_crc32di(v, word); }
  crc = (uint32_t)v;
  while (n--) crc = __builtin_ia32_crc32qi(crc, *p++);
  return crc;
}
static inline uint32_t crc_update(uint32_t crc, const uint8_t *p, size_t n) {
  return __builtin_cpu_supports("sse4.2") ? crc_by_instruction(crc, p, n) : crc_by_table(crc, p, n);
}
#else
static inline uint32_t crc_update(uint32_t crc, const uint8_t *p, size_t n) { return crc_by_table(crc, p, n); }
#endif
static inline uint32_t crc32c(const uint8_t *p, size_t n) { return ~crc_update(~0u, p, n); }
#endif
