# The image is the binary and nothing else: no shell, no libraries, no users but the one it runs as.
# docker build -t quire . && docker run --name quire --read-only -p 8080:8080 -v quire:/data quire
# Both architectures: docker buildx build --platform linux/amd64,linux/arm64 -t quire .
FROM rust:1.95-bookworm AS build
WORKDIR /src
# Dependencies first, with empty sources: this layer is reused until a file copied here changes.
COPY Cargo.toml Cargo.lock Makefile ./
COPY .ci/ordered-cc .ci/startup-functions .ci/
COPY src/packages src/packages
RUN mkdir -p benches/documents && for file in src/lib.rs src/packages/*/lib.rs; do : > "$file"; done \
    && for file in src/main src/build src/packages/domain/build src/packages/extract/build \
        src/packages/http/build benches/hello benches/documents/main \
        $(sed -n '/^\[\[bench\]\]/{n;s/^name = "\(.*\)"/benches\/\1/p}' Cargo.toml); \
        do echo 'fn main() {}' > "$file.rs"; done \
    && make release
# By name: target, .git, and data stay out of the build's context.
COPY schema.sql ./
COPY assets assets
COPY src src
ARG QUIRE_COMMIT
# Their own times are older than the empty sources, which cargo would take for unchanged.
RUN touch src/*.rs src/packages/*/*.rs && make release \
    && install -D target/*-unknown-linux-gnu/release/quire /out/quire && install -d -m 700 /out/data

FROM scratch
COPY --from=build /out/quire /quire
COPY --from=build --chown=10001:10001 /out/data /data
USER 10001:10001
ENV HOST=0.0.0.0 PORT=8080 QUIRE_DATA=/data
VOLUME /data
EXPOSE 8080
# Docker's default for stopping is 10 s; running work has 20: docker stop -t 30.
HEALTHCHECK --interval=30s --timeout=8s --start-period=15s --retries=3 CMD ["/quire", "doctor", "--health"]
ENTRYPOINT ["/quire"]
CMD ["serve"]
