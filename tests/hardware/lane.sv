// A lane written by hand, another way than the design's: it counts the work of a run when it takes it up, and then its cycles down.
// For runs at which all streams wait for each other. The text before it defines its sizes, LANE_... (`lane_by_hand.py`).
module lane #(
    parameter int B = `LANE_BRICK, DATA = `LANE_DATA, OFFSET = `LANE_OFFSET, S = `LANE_STREAMS, QBITS = `LANE_Q,
    parameter int OVERHEAD = `LANE_OVERHEAD, CARRIED = `LANE_CARRIED, ROWS = `LANE_ROWS,
    parameter int VALUES = B, OFFSETS = B + B * DATA, ROWS_AT = OFFSETS + CARRIED * B * OFFSET, RUN = ROWS_AT + ROWS
) (
    input  logic clk, rst, dense, valid, last, go,
    input  logic [RUN-1:0] run,
    output logic ready, p_valid, fin, starved,
    output logic [S-1:0] val,
    output logic [S*DATA-1:0] act,
    output logic [S*OFFSET-1:0] off,
    output logic [S*QBITS-1:0] q
`ifdef LANE_MASKS
    , input logic [S*B-1:0] mask,
    output logic mask_en,
    output logic [QBITS-1:0] mask_q
`endif
);
  logic [RUN-1:0] next, now;
  logic next_last, now_last, busy, opened, ends, load, taken;
  logic [QBITS-1:0] next_q, now_q, number;
  logic [S*B-1:0] todo, wanted, issued;
  logic [15:0] left, cost, work;

`ifdef LANE_MASKS
  assign mask_en = taken;
  assign mask_q = number;
`endif
  assign taken = valid && ready;
  assign ready = !p_valid || load;
  assign ends = busy && left == 1;
  assign fin = !opened || (ends && now_last);
  assign starved = opened && !busy;
  assign load = p_valid && (go || starved || (ends && !now_last));

  // What every stream has to do of the next run, and how long that takes.
  always_comb begin
    cost = 1;
    wanted = 0;
`ifdef LANE_HOLDS
    cost = dense || next[RUN-1:ROWS_AT] == 0 ? 1 : next[RUN-1:ROWS_AT];
`endif
    for (int s = 0; s < S; s++) begin
      work = 0;
      for (int slot = 0; slot < B; slot++) begin
        wanted[s*B+slot] = next[slot];
`ifdef LANE_MASKS
        if (!dense) wanted[s*B+slot] = next[slot] && mask[s*B + (CARRIED ? next[OFFSETS + slot*OFFSET +: OFFSET] : slot)];
`endif
        work = work + wanted[s*B+slot];
      end
      if (work > cost) cost = work;
    end
    if (!dense) cost = cost + OVERHEAD;
  end

  // The first value that a stream still has to issue.
  always_comb begin
    {val, act, off, issued} = 0;
    for (int s = 0; s < S; s++) begin
      q[s*QBITS +: QBITS] = now_q;
      for (int slot = 0; slot < B; slot++)
        if (todo[s*B+slot] && !val[s]) begin
          val[s] = 1;
          issued[s*B+slot] = 1;
          act[s*DATA +: DATA] = now[VALUES + slot*DATA +: DATA];
          off[s*OFFSET +: OFFSET] = CARRIED ? now[OFFSETS + slot*OFFSET +: OFFSET] : slot;
        end
    end
  end

  always_ff @(posedge clk) begin
    todo <= todo & ~issued;
    left <= left - 1;
    if (ends) {busy, opened} <= {1'b0, !now_last};
    if (load) begin
      {busy, opened, p_valid} <= 3'b110;
      {now, now_last, now_q, todo, left} <= {next, next_last, next_q, wanted, cost};
    end
    if (taken) begin
      p_valid <= 1;
      {next, next_last, next_q} <= {run, last, number};
      number <= last ? 0 : number + 1;
    end
    if (rst) {busy, opened, p_valid, todo, number} <= 0;
  end
  initial {busy, opened, p_valid, todo, number} = 0;
endmodule
