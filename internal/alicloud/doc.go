// SPDX-License-Identifier: Apache-2.0

// Package alicloud is the only door to Alibaba Cloud: it makes the clients. The
// packages below it know where services are (endpoint), where credentials come
// from (credentials, metadata), how the OpenAPI SDK sends its requests (rpc), what an
// answer means (failure), when a request is sent again (retry), and how many may
// be sent (throttle).
package alicloud
