// Plays passes into the ports of the node, and hands back what comes out. Reads jobs from standard input and answers each on
// standard output, all of it 32-bit words, least significant first; see `verilator.py`, which writes and reads them.
// `ports.inc`, written for each design, knows its ports.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "Vnode.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_fst_c.h"
#endif

typedef uint32_t Word;
typedef std::vector<Word> Words;

static VerilatedContext* context;
static Vnode* node;
static uint64_t clocks = 0;
#if VM_TRACE
static VerilatedFstC* wave = nullptr;
#endif

template <class Port> static void put(Port& port, const Word* words) { port = Port(words[0]); }
static void put(QData& port, const Word* words) { port = words[0] | QData(words[1]) << 32; }
template <std::size_t N> static void put(VlWide<N>& port, const Word* words) {
    for (std::size_t i = 0; i < N; ++i) port[i] = words[i];
}
template <class Port> static Word word(const Port& port, int index) { return index ? 0 : Word(port); }
static Word word(const QData& port, int index) { return index > 1 ? 0 : Word(port >> 32 * index); }
template <std::size_t N> static Word word(const VlWide<N>& port, int index) { return std::size_t(index) < N ? port[index] : 0; }

#include "ports.inc"

static void settle() {  // inputs have changed: what follows from them without a clock edge does, too
    node->clk = 0;
    node->eval();
#if VM_TRACE
    if (wave) wave->dump(context->time());
#endif
    context->timeInc(1);
}

static void clock_edge() {
    node->clk = 1;
    node->eval();
#if VM_TRACE
    if (wave) wave->dump(context->time());
#endif
    context->timeInc(1);
    ++clocks;
}

static void read_words(Word* target, std::size_t count) {
    if (count && fread(target, sizeof(Word), count, stdin) != count) exit(0);  // nobody has more to say
}

static Word read_word() {
    Word found;
    read_words(&found, 1);
    return found;
}

static bool read_array(Words& target, std::size_t width) {  // false: what came with the last pass is to be kept
    const Word count = read_word();
    if (count == ~Word(0)) return false;
    target.resize(std::size_t(count) * width);
    read_words(target.data(), target.size());
    return true;
}

static void load(const Stream& stream) {
    static Words items;
    const std::size_t width = stream.data_words + stream.user_words;
    read_array(items, width);
    for (std::size_t at = 0; at < items.size(); at += width) {
        stream.offer(&items[at], &items[at] + stream.data_words);
        for (bool taken = false; !taken;) {
            settle();
            taken = stream.ready();
            clock_edge();
        }
    }
    stream.withdraw();
}

static int64_t field(const Words& words, int index, int bits) {  // sign-extended
    uint64_t found = 0;
    for (int bit = 0; bit < bits;) {
        const int at = index * bits + bit, inside = at % 32, some = (32 - inside < bits - bit) ? 32 - inside : bits - bit;
        const uint64_t part = (words[at / 32] >> inside) & ((uint64_t(1) << some) - 1);
        found |= part << bit;
        bit += some;
    }
    return int64_t(found << (64 - bits)) >> (64 - bits);
}

static void run_pass() {
    static Words rows, order[LANES ? LANES : 1], config(CONFIG_WORDS);
    static std::vector<Word> most(LANES);
    const std::size_t row_words = RUN_DATA_WORDS + RUN_USER_WORDS;
    const Word windows = read_word();
    const uint64_t limit = read_word() | uint64_t(read_word()) << 32;
    read_words(config.data(), config.size());
    for (const Stream& stream : STREAMS) load(stream);
    read_array(rows, row_words);
    for (int lane = 0; lane < LANES; ++lane) {
        most[lane] = read_word();  // runs of a window
        read_array(order[lane], 1);
    }
    std::vector<Word> ends(windows, 0);
    std::vector<int64_t> outputs(std::size_t(windows) * SEATS, 0);
    std::vector<Word> came(windows, 0);
    std::vector<std::size_t> next(LANES, 0);
    Words sums((SEATS * ACCUMULATOR_BITS + 31) / 32);
    configure(config.data());
    node->start = 1;
    uint64_t elapsed = 0;
    bool done = false;
    for (; !done && elapsed < limit; ++elapsed) {
        for (int lane = 0; lane < LANES; ++lane) {
            const std::size_t at = next[lane];
            const bool offered = at < order[lane].size();
            const Word* row = offered ? &rows[order[lane][at] * row_words] : nullptr;
            offer_run(lane, offered, row, offered && (at + 1) % most[lane] == 0);
        }
        settle();
        for (int lane = 0; lane < LANES; ++lane) next[lane] += next[lane] < order[lane].size() && run_ready(lane);
        done = node->done;
        if (node->wend && node->wend_window < windows) ends[node->wend_window] = node->wend_cycle;
        if (node->outputs_tvalid && node->outputs_tuser < windows) {
            for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = word(node->outputs_tdata, int(i));
            ++came[node->outputs_tuser];
            int64_t* own = &outputs[std::size_t(node->outputs_tuser) * SEATS];
            for (int seat = 0; seat < SEATS; ++seat) own[seat] = field(sums, seat, ACCUMULATOR_BITS);
        }
        clock_edge();
        node->start = 0;
    }
    settle();
    const Word cycles = node->cycles, starved = node->starved;
    const Word head[6] = {Word(done), cycles, starved, Word(elapsed - 1), Word(clocks), Word(clocks >> 32)};
    fwrite(head, sizeof(Word), 6, stdout);
    fwrite(ends.data(), sizeof(Word), windows, stdout);
    fwrite(came.data(), sizeof(Word), windows, stdout);
    fwrite(outputs.data(), sizeof(int64_t), outputs.size(), stdout);
    fflush(stdout);
}

int main(int argc, char** argv) {
    context = new VerilatedContext;
    context->commandArgs(argc, argv);
    context->traceEverOn(true);
    node = new Vnode(context);
#if VM_TRACE
    if (argc > 1) {
        wave = new VerilatedFstC;
        node->trace(wave, 99);
        wave->open(argv[1]);
    }
#endif
    node->rst = 1;
    for (int i = 0; i < 2; ++i) {
        settle();
        clock_edge();
    }
    node->rst = 0;
    for (Word more; fread(&more, sizeof more, 1, stdin) == 1;) {
        run_pass();
#if VM_TRACE
        if (wave) wave->flush();
#endif
    }
#if VM_TRACE
    if (wave) wave->close();
#endif
    node->final();
    return 0;
}
