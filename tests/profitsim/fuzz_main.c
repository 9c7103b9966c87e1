/* Drives a fuzz target where there is no libFuzzer: seeded mutations of the inputs it is given, without knowledge of
 * what they reach. The same seed and inputs make the same run. The input that ends it is written to crash-input.
 *
 *   fuzz SEED RUNS SECONDS FILE...        RUNS or SECONDS 0: without that limit; both 0: every file once, as it is */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void fuzz_reached(uint64_t out[6]);

enum { LONGEST = 8192, MOST_SEEDS = 512 };
static struct {
    uint8_t *data;
    size_t size;
} seeds[MOST_SEEDS];
static size_t seed_count;
static uint8_t input[LONGEST];
static size_t size;
static uint64_t state;

static uint64_t next(void) { /* splitmix64 */
    uint64_t z = state += 0x9E3779B97F4A7C15ULL;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ z >> 27) * 0x94D049BB133111EBULL;
    return z ^ z >> 31;
}

static size_t below(size_t limit) { return limit == 0 ? 0 : next() % limit; }

static void write_input(int number) {
    FILE *out = fopen("crash-input", "wb"); /* not what a signal handler should do; the process is lost anyway */
    if (out != NULL && fwrite(input, 1, size, out) == size) fclose(out);
    signal(number, SIG_DFL);
    raise(number);
}

static void read_seed(const char *path) {
    FILE *in = fopen(path, "rb");
    if (in == NULL || seed_count == MOST_SEEDS) exit(2);
    seeds[seed_count].data = malloc(LONGEST);
    seeds[seed_count].size = fread(seeds[seed_count].data, 1, LONGEST, in);
    seed_count++;
    fclose(in);
}

static void take(size_t from) {
    size = seeds[from].size;
    memcpy(input, seeds[from].data, size);
}

static void mutate(void) {
    static const uint8_t EDGES[] = {0x00, 0x01, 0x7F, 0x80, 0xFF, 0xFE, 0xC0, 0xE0, 0xF0, 0xD8};
    size_t at = below(size), length = 1 + below(32), other;
    switch (below(8)) {
    case 0: if (size > 0) input[at] ^= (uint8_t)(1u << below(8)); break;
    case 1: if (size > 0) input[at] = EDGES[below(sizeof EDGES)]; break;
    case 2: if (size > 0) input[at] = (uint8_t)next(); break;
    case 3: /* a number at its edge */
        for (size_t i = 0, edge = below(sizeof EDGES); i < 8 && at + i < size; i++) input[at + i] = EDGES[edge];
        break;
    case 4: /* cut something out */
        if (at + length < size) memmove(input + at, input + at + length, size - at - length), size -= length;
        break;
    case 5: /* repeat something */
        if (at + length <= size && size + length <= LONGEST) {
            memmove(input + at + length, input + at, size - at);
            size += length;
        }
        break;
    case 6: /* the end of another input */
        other = below(seed_count);
        length = below(seeds[other].size + 1);
        if (at + length <= LONGEST) memcpy(input + at, seeds[other].data + seeds[other].size - length, length), size = at + length;
        break;
    default: if (size > 2) size = 1 + at; break;
    }
}

int main(int count, char **arguments) {
    if (count < 5) return 2;
    uint64_t first = strtoull(arguments[1], NULL, 10), runs = strtoull(arguments[2], NULL, 10), done = 0;
    double seconds = strtod(arguments[3], NULL), passed = 0;
    for (int i = 4; i < count; i++) read_seed(arguments[i]);
    signal(SIGABRT, write_input);
    signal(SIGSEGV, write_input);
    state = first;
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (; done < seed_count; done++) {
        take(done);
        LLVMFuzzerTestOneInput(input, size);
    }
    while ((runs == 0 || done < runs) && (seconds == 0 || passed < seconds) && (runs > 0 || seconds > 0)) {
        take(below(seed_count));
        for (size_t i = 1 + below(6); i > 0; i--) mutate();
        LLVMFuzzerTestOneInput(input, size);
        if (++done % 256 == 0) {
            clock_gettime(CLOCK_MONOTONIC, &now);
            passed = (double)(now.tv_sec - begin.tv_sec) + (double)(now.tv_nsec - begin.tv_nsec) / 1e9;
        }
    }
    uint64_t reached[6];
    fuzz_reached(reached);
    static const char *const NAMES[] = {"callbacks", "details", "levels", "trades", "enumerated", "offers"};
    printf("executions %llu", (unsigned long long)done);
    for (int i = 0; i < 6; i++) printf(" %s %llu", NAMES[i], (unsigned long long)reached[i]);
    printf("\n");
    return 0;
}
