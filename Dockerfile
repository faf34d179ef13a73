# The image is the binary and nothing else: no shell, no libraries, no users but the one it runs as.
FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
RUN make release && install -D target/x86_64-unknown-linux-gnu/release/quire /out/quire && mkdir -p /out/data

FROM scratch
COPY --from=build /out/quire /quire
COPY --from=build --chown=10001:10001 /out/data /data
USER 10001:10001
ENV HOST=0.0.0.0 PORT=8080 QUIRE_DATA=/data
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["/quire"]
