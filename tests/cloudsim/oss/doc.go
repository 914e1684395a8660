// SPDX-License-Identifier: Apache-2.0

// Package oss is the simulated Object Storage Service of Alibaba Cloud: buckets, objects and multipart uploads
// behind the real wire protocol, with the real service's checks and error bodies.
//
// Error codes, messages and EC numbers are those of https://help.aliyun.com/zh/oss/support/ and of the responses
// quoted in the tests of the official SDKs. Where no source gives an EC, the response carries none.
package oss
