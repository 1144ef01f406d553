"""The emulated reference deployment at real speed, compared with the published table that it was fitted to.

    python -m benchmarks.reference [--requests 30] [--out DIR]

The table was measured by LLMPerf: DeepSeek-R1-Distill-Llama-8B, 2 users, 500±25 tokens in, 1000±100 out. Its
inter-token latency is end-to-end latency ÷ chunks, and so is ours here. LLMPerf counted tokens again with another
model's tokenizer: 107.2 token/s × 0.01069 s a chunk = 1.146 tokens a chunk. The emulator counts one token a chunk, as
the deployment's own usage does. So throughput is compared in chunks: 107.2 ÷ 1.146 = 93.5 a second.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

PUBLISHED = {
    "ttft_s": 0.3784,
    "inter_token_latency_s": 0.01069,
    "request_output_throughput_token_per_s": 107.2,
}
BOUND = 0.05


def main() -> None:
    """Run it, and print measured and published figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=30)
    parser.add_argument("--out", default=None, help="use this run directory instead of a new run")
    arguments = parser.parse_args()
    recount = PUBLISHED["request_output_throughput_token_per_s"] * PUBLISHED["inter_token_latency_s"]
    with tempfile.TemporaryDirectory() as folder:
        out = arguments.out
        if out is None:
            out = str(Path(folder) / "run")
            command = [sys.executable, "-m", "llmdyno", "run", "--speed", "1", "--requests", str(arguments.requests)]
            subprocess.run([*command, "--out", out], check=True, stdout=subprocess.DEVNULL)
        [path] = (Path(out) / "llmperf").glob("*_summary.json")
        ours = json.loads(path.read_text(encoding="utf-8"))
    print(f"{ours['results_num_completed_requests']} requests; p50, LLMPerf's definitions")
    for name, published in PUBLISHED.items():
        wanted = published / recount if name.endswith("per_s") else published
        value = ours[f"results_{name}_quantiles_p50"]
        difference = value / wanted - 1
        print(
            f"  {name:<38} {value:9.5f}  published {wanted:9.5f}  {100 * difference:+5.1f}% "
            f"({'within' if abs(difference) <= BOUND else 'OUTSIDE'} {100 * BOUND:.0f}%)"
        )


if __name__ == "__main__":
    main()
