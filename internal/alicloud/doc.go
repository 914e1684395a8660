// SPDX-License-Identifier: Apache-2.0

// Package alicloud is the only door to Alibaba Cloud: it knows the endpoints,
// makes the clients, classifies what the cloud answers, and decides what is
// tried again. Where credentials come from is the business of the package
// credentials below it, instance metadata that of the package metadata.
package alicloud
