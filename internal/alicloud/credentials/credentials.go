// SPDX-License-Identifier: Apache-2.0

// Package credentials finds the Alibaba Cloud credentials of one Velero
// location and keeps them fresh.
package credentials

import "time"

// Credentials are one access key, with its security token where it is temporary.
// Printing or marshalling them shows neither secret nor token.
type Credentials struct {
	AccessKeyID     string
	AccessKeySecret string
	// SecurityToken is empty for the permanent access key of a RAM user.
	SecurityToken string
	// Expiration is when the cloud stops accepting them; zero means never.
	Expiration time.Time
	// Source says where they come from, for a person to read.
	Source string
}
