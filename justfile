# What the CI runs, and the parts of it.
ci:
    .ci/run

test:
    cargo test --release --workspace

lint:
    cargo fmt --all -- --check
    cargo clippy --release --workspace --all-targets -- -D warnings

docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps

# Licenses, bans, sources and, with a network, advisories.
deny:
    cargo deny check

demo:
    cargo run --release --example evaluate_patterncom

bench:
    cargo bench

# Runs a fuzz target for some minutes: just fuzz pickle
fuzz target seconds="600":
    cd fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run {{target}} -- -max_total_time={{seconds}}

# Compiles the examples with the feature `cuda`, with NVIDIA's compiler from PyPI: no toolkit, no GPU needed.
cuda-build:
    scripts/cuda-build
