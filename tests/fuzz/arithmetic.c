/* The headers of bpf/lib that compute, as the host's compiler has them. */
#include "tests/fuzz/arithmetic.h"

#include "bpf/lib/crc32c.h"
#include "bpf/lib/csum.h"
#include "bpf/lib/token_bucket.h"

uint16_t checksum_fold(uint64_t sum) {
    return csum_fold(sum);
}

uint64_t checksum_replace(uint32_t from_be, uint32_t to_be) {
    return csum_replace(from_be, to_be);
}

uint16_t checksum_update(uint16_t check_be, uint64_t difference) {
    return csum_update(check_be, difference);
}

uint32_t crc_difference(uint32_t difference, uint32_t zeroes) {
    return crc32c_difference(difference, zeroes);
}

bool bucket_has_token(const struct bucket* bucket, uint64_t now_ns) {
    return token_is_there(bucket->full_at_ns, bucket->interval_ns, bucket->capacity_ns, now_ns);
}

bool bucket_take(struct bucket* bucket, uint64_t now_ns) {
    __u64 full_at_ns = bucket->full_at_ns;
    const bool taken = token_take(&full_at_ns, bucket->interval_ns, bucket->capacity_ns, now_ns);

    bucket->full_at_ns = full_at_ns;
    return taken;
}
