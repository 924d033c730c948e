/* What the data path computes without a packet or a map, compiled for the host. */
#ifndef CNET_TESTS_FUZZ_ARITHMETIC_H
#define CNET_TESTS_FUZZ_ARITHMETIC_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* csum.h */
uint16_t checksum_fold(uint64_t sum);
uint64_t checksum_replace(uint32_t from_be, uint32_t to_be);
uint16_t checksum_update(uint16_t check_be, uint64_t difference);

/* crc32c.h */
uint32_t crc_difference(uint32_t difference, uint32_t zeroes);

/* token_bucket.h */
struct bucket {
    uint64_t full_at_ns, interval_ns, capacity_ns;
};
bool bucket_has_token(const struct bucket* bucket, uint64_t now_ns);
bool bucket_take(struct bucket* bucket, uint64_t now_ns);

#ifdef __cplusplus
}
#endif

#endif
