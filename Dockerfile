# Two stages: what builds stays behind. The one command here is one that .ci/run runs too.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --profile dist --locked

FROM debian:bookworm-slim
COPY --from=build /src/target/dist/towbar /usr/local/bin/towbar
# Nobody, and a group of nobody: Towbar writes no file and needs no port below 1024.
USER 65534:65534
WORKDIR /etc/towbar
EXPOSE 8443
ENTRYPOINT ["/usr/local/bin/towbar"]
CMD ["serve", "--config", "/etc/towbar/towbar.yaml"]
