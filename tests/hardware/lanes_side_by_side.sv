// The lane written by hand and the emitted one get the same random stimuli, and have to do the same in every cycle.
module bench;
  localparam B = `LANE_BRICK, DATA = `LANE_DATA, OFFSET = `LANE_OFFSET, S = `LANE_STREAMS, QBITS = `LANE_Q;
  localparam RUN = B + B * DATA + `LANE_CARRIED * B * OFFSET + `LANE_ROWS, OUT = 4 + S * (1 + DATA + OFFSET + QBITS);

  reg clk = 0, rst = 0, dense = 0, valid = 0, last = 0, go = 0;
  reg [RUN-1:0] run = 0;
  reg [2047:0] wide;
  wire [S*DATA-1:0] act_hand, act_emitted, act_matters;
  wire [S*OFFSET-1:0] off_hand, off_emitted, off_matters;
  wire [S*QBITS-1:0] q_hand, q_emitted, q_matters;
  wire [S-1:0] val_hand, val_emitted;
  wire ready_hand, ready_emitted, p_valid_hand, p_valid_emitted, fin_hand, fin_emitted, starved_hand, starved_emitted;

`ifdef LANE_MASKS
  reg [S*B-1:0] mask = 0;
  wire en_hand, en_emitted;
  wire [QBITS-1:0] number_hand, number_emitted;
  wire masks_differ = en_hand !== en_emitted || (en_hand && number_hand !== number_emitted);
  `define MASKS(LANE) , .mask(mask), .mask_en(en_``LANE), .mask_q(number_``LANE)
  always @(posedge clk) if (en_hand) mask <= wide >> 1024;
`else
  wire masks_differ = 0;
  `define MASKS(LANE)
`endif

`define PORTS(LANE) .clk(clk), .rst(rst), .dense(dense), .valid(valid), .last(last), .go(go), .run(run), .ready(ready_``LANE), \
    .p_valid(p_valid_``LANE), .fin(fin_``LANE), .starved(starved_``LANE), .val(val_``LANE), .act(act_``LANE), \
    .off(off_``LANE), .q(q_``LANE) `MASKS(LANE)
  lane by_hand (`PORTS(hand));
  emitted emitted (`PORTS(emitted));

  genvar s;
  generate
    for (s = 0; s < S; s = s + 1) begin : each
      assign act_matters[s*DATA +: DATA] = {DATA{val_hand[s]}};
      assign off_matters[s*OFFSET +: OFFSET] = {OFFSET{val_hand[s]}};
      assign q_matters[s*QBITS +: QBITS] = {QBITS{val_hand[s]}};
    end
  endgenerate
`define OUT(LANE) {ready_``LANE, p_valid_``LANE, fin_``LANE, starved_``LANE, val_``LANE, \
    act_``LANE & act_matters, off_``LANE & off_matters, q_``LANE & q_matters}
  wire [OUT-1:0] out_hand = `OUT(hand), out_emitted = `OUT(emitted);

  integer cycle, i, windows, issues;
  initial begin
    windows = 0;
    issues = 0;
    #1 rst = 1;
    #1 clk = 1;
    #1 clk = 0;
    for (cycle = 0; cycle < 4000; cycle = cycle + 1) begin
      rst = cycle == 3000;  // between passes, of which the last runs dense
      dense = cycle >= 3000;
      valid = $random;
      last = $random & $random;
      for (i = 0; i < 64; i = i + 1) wide[32*i +: 32] = $random;
      run = wide;
      if ($random & 1) run[B-1:0] = run[B-1:0] & $random;
      #1 go = fin_hand & p_valid_hand & $random;
      #1
      if (out_hand !== out_emitted || masks_differ) begin
        $display("FAIL in cycle %0d: %b by hand, %b emitted", cycle, out_hand, out_emitted);
        $finish;
      end
      windows = windows + go;
      issues = issues + |val_hand;
      #1 clk = 1;
      #1 clk = 0;
    end
    $display("PASS %0d windows, %0d issues", windows, issues);
    $finish;
  end
endmodule
