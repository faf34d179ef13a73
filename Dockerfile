# The image is the binary and nothing else: no shell, no libraries, no users but the one it runs as.
# docker build -t quire . && docker run --read-only -p 8080:8080 -v quire:/data quire
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN make release && install -D target/*-unknown-linux-gnu/release/quire /out/quire && install -d -m 700 /out/data

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
