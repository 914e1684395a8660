# SPDX-License-Identifier: Apache-2.0
# `make image` builds the binaries first. Certificates of the public authorities
# are in the binary (golang.org/x/crypto/x509roots), for there is no system around it.
FROM scratch
# Set by the builder; a default here would win over it and put the wrong binary in.
ARG TARGETOS
ARG TARGETARCH
COPY --chmod=0755 bin/${TARGETOS}-${TARGETARCH}/velero-plugin-alibabacloud /velero-plugin-alibabacloud
COPY LICENSE /LICENSE
USER 65532:65532
# Velero runs the image as an init container without a command, with the volume
# that it shares with the server at /target.
ENTRYPOINT ["/velero-plugin-alibabacloud"]
CMD ["copy", "/target"]
