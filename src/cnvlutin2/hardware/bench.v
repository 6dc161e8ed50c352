// A self-checking test bench: loads weights and activations pass after pass, feeds the lanes, and compares every output and the
// cycle in which every window ends. Prints PASS, or FAIL and the first difference.
//   iverilog -g2005 *.v && vvp a.out
// +wave=FILE writes the waves; +results=FILE what came out.
`timescale 1ns / 1ns
/* verilator lint_off WIDTH */
/* verilator lint_off UNUSED */
module bench;
    localparam PASSES = $passes, WINDOWS = $windows, SEATS = $seats, ACCUMULATOR_BITS = $accumulator_bits;
    localparam FILL_AND_DRAIN = $fill_and_drain, LIMIT = $limit;
    localparam RESET = 0, LOAD = 1, START = 2, RUN = 3, CHECK = 4, OVER = 5;

    reg clk = 0;
    always #1 clk = ~clk;

$images
    initial begin
$reads
    end

    integer state = RESET;
    reg [31:0] pass = 0, clocks = 0;
    wire rst = state == RESET, start = state == START;
    wire offering = state == START || state == RUN;

$streams
$lanes
    wire wend, outputs_tvalid, outputs_tlast, busy, done;
    wire [31:0] wend_window, wend_cycle, outputs_tuser, cycles, starved;
    wire [SEATS * ACCUMULATOR_BITS - 1:0] outputs_tdata;

    node node (
$connections
    );

    // What is compared
    integer compared = 0, differing = 0, late_windows = 0, ended = 0, came = 0, failed = 0, results = 0, seat;
    reg [63:0] all_cycles = 0, all_expected = 0, all_starved = 0;
    reg [8 * 1024 - 1:0] name;
    reg [SEATS * ACCUMULATOR_BITS - 1:0] sums;
    wire [SEATS - 1:0] occupied = seats_image[pass];
    wire [31:0] expected_end = ends_image[pass * WINDOWS + wend_window];
    wire [31:0] expected_cycles = ends_image[pass * WINDOWS + WINDOWS - 1];

    initial begin
        if ($$value$$plusargs("results=%s", name)) results = $$fopen(name, "w");
        if ($$value$$plusargs("wave=%s", name)) begin
            $$dumpfile(name);
            $$dumpvars(0, bench);
        end
    end

    always @(posedge clk) begin
        if (wend === 1'b1) begin
            ended = ended + 1;
            if (results != 0) $$fwrite(results, "window %0d %0d %0d\n", pass, wend_window, wend_cycle);
            if (wend_cycle !== expected_end) begin
                late_windows = late_windows + 1;
                if (failed == 0) $$display("FAIL: pass %0d, window %0d ended in cycle %0d, should be %0d",
                                           pass, wend_window, wend_cycle, expected_end);
                failed = 1;
            end
        end
        if (outputs_tvalid === 1'b1) begin
            came = came + 1;
            if (results != 0) $$fwrite(results, "outputs %0d %0d %b\n", pass, outputs_tuser, outputs_tdata);
            sums = outputs_image[pass * WINDOWS + outputs_tuser];
            for (seat = 0; seat < SEATS; seat = seat + 1) if (occupied[seat]) begin
                compared = compared + 1;
                if (outputs_tdata[seat * ACCUMULATOR_BITS +: ACCUMULATOR_BITS] !== sums[seat * ACCUMULATOR_BITS +: ACCUMULATOR_BITS])
                begin
                    differing = differing + 1;
                    if (failed == 0) $$display("FAIL: pass %0d, window %0d, filter %0d of the pass: the output is %0d, should be %0d",
                                               pass, outputs_tuser, seat,
                                               $$signed(outputs_tdata[seat * ACCUMULATOR_BITS +: ACCUMULATOR_BITS]),
                                               $$signed(sums[seat * ACCUMULATOR_BITS +: ACCUMULATOR_BITS]));
                    failed = 1;
                end
            end
        end
        clocks <= offering ? clocks + 1 : 0;
        case (state)
            RESET: state <= LOAD;
            LOAD: if ($loaded) state <= START;
            START: state <= RUN;
            RUN: if (done === 1'b1 || clocks >= LIMIT) begin
                if (results != 0) $$fwrite(results, "pass %0d %0d %0d %0d\n", pass, cycles, starved, done === 1'b1 ? clocks : 0);
                if (failed == 0 && done !== 1'b1) begin
                    $$display("FAIL: pass %0d is not done after %0d clock cycles", pass, clocks);
                    failed = 1;
                end
                if (failed == 0 && cycles !== expected_cycles) begin
                    $$display("FAIL: pass %0d took %0d cycles, should be %0d", pass, cycles, expected_cycles);
                    failed = 1;
                end
                if (failed == 0 && clocks !== cycles + FILL_AND_DRAIN) begin
                    $$display("FAIL: pass %0d took %0d clock cycles from start to done, should be %0d",
                              pass, clocks, cycles + FILL_AND_DRAIN);
                    failed = 1;
                end
                state <= CHECK;
                all_cycles <= all_cycles + cycles;
                all_expected <= all_expected + expected_cycles;
                all_starved <= all_starved + starved;
            end
            CHECK: begin
                if (failed == 0 && (ended != WINDOWS || came != WINDOWS)) begin
                    $$display("FAIL: pass %0d: %0d windows ended, the outputs of %0d came, should be %0d", pass, ended, came, WINDOWS);
                    failed = 1;
                end
                ended = 0;
                came = 0;
                if (pass + 1 < PASSES) begin
                    pass <= pass + 1;
                    state <= LOAD;
                end else state <= OVER;
            end
            default: begin
                $$display("$title: %0d outputs compared, %0d differing", compared, differing);
                $$display("%0d windows compared, %0d ended in another cycle", PASSES * WINDOWS, late_windows);
                $$display("%0d cycles in %0d passes, should be %0d; starved in %0d", all_cycles, PASSES, all_expected, all_starved);
                if (failed == 0) $$display("PASS");
                $$finish;
            end
        endcase
    end
endmodule
