// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"fmt"
	"slices"
	"time"
)

// Storage classes of objects and buckets.
const (
	ClassStandard        = "Standard"
	ClassIA              = "IA"
	ClassArchive         = "Archive"
	ClassColdArchive     = "ColdArchive"
	ClassDeepColdArchive = "DeepColdArchive"
)

// Access control lists of buckets.
const (
	ACLPrivate         = "private"
	ACLPublicRead      = "public-read"
	ACLPublicReadWrite = "public-read-write"
)

// Algorithms of server-side encryption.
const (
	EncryptionAES256 = "AES256"
	EncryptionKMS    = "KMS"
	EncryptionSM4    = "SM4"
)

// Data redundancy types of buckets.
const (
	RedundancyLRS = "LRS"
	RedundancyZRS = "ZRS"
)

// Config is what a Service starts with.
type Config struct {
	// StateDir is where the bytes of objects live, in a new directory below it. Empty means the system's directory
	// for temporary files.
	StateDir string
	// Region is the region of buckets that are created through an address that names none. Empty means cn-hangzhou.
	Region string
	// Buckets exist from the start.
	Buckets []BucketConfig
	// RestoreDelay is how long it takes until an archived object can be read after RestoreObject.
	RestoreDelay time.Duration
}

// BucketConfig describes a bucket.
type BucketConfig struct {
	// Name is 3 to 63 of a-z, 0-9 and -, beginning and ending with a letter or digit.
	Name string `json:"name"`
	// Region is the region's id, such as cn-hangzhou.
	Region string `json:"region"`
	// Owner is the id of the main account that owns the bucket.
	Owner string `json:"owner"`
	// StorageClass is the class of objects that are written without one. Empty means Standard.
	StorageClass string `json:"storageClass,omitempty"`
	// DataRedundancy is LRS or ZRS. Empty means LRS.
	DataRedundancy string `json:"dataRedundancy,omitempty"`
	// ACL is private, public-read or public-read-write. Empty means private.
	ACL string `json:"acl,omitempty"`
	// Encryption is how objects are encrypted that are written without a choice of their own.
	Encryption Encryption `json:"encryption,omitzero"`
	// ForbidStandardWrites refuses objects of class Standard.
	ForbidStandardWrites bool `json:"forbidStandardWrites,omitempty"`
	// TransferAcceleration lets the bucket be reached through the accelerate endpoints.
	TransferAcceleration bool `json:"transferAcceleration,omitempty"`
	// Domain is a host name that is bound to the bucket (PutCname), in lower case.
	Domain string `json:"domain,omitempty"`
}

// Encryption is a server-side encryption. The zero value is none.
type Encryption struct {
	// Algorithm is AES256, KMS or SM4.
	Algorithm string `json:"algorithm,omitempty"`
	// KMSKeyID is the key for the algorithm KMS. Empty means the key that KMS manages for OSS.
	KMSKeyID string `json:"kmsKeyID,omitempty"`
}

// withDefaults returns the configuration with what was left empty filled in, or says what is wrong with it.
func (b BucketConfig) withDefaults() (BucketConfig, error) {
	if !validBucketName(b.Name) {
		return b, fmt.Errorf("bucket %q: the name is not valid", b.Name)
	}
	if b.Region == "" || b.Owner == "" {
		return b, fmt.Errorf("bucket %q: region and owner are required", b.Name)
	}
	if b.StorageClass == "" {
		b.StorageClass = ClassStandard
	}
	if !validClass(b.StorageClass) {
		return b, fmt.Errorf("bucket %q: storage class %q is not known", b.Name, b.StorageClass)
	}
	if b.DataRedundancy == "" {
		b.DataRedundancy = RedundancyLRS
	}
	if !slices.Contains([]string{RedundancyLRS, RedundancyZRS}, b.DataRedundancy) {
		return b, fmt.Errorf("bucket %q: data redundancy %q is not known", b.Name, b.DataRedundancy)
	}
	if b.ACL == "" {
		b.ACL = ACLPrivate
	}
	if !validACL(b.ACL) {
		return b, fmt.Errorf("bucket %q: ACL %q is not known", b.Name, b.ACL)
	}
	if err := b.Encryption.validate(); err != nil {
		return b, fmt.Errorf("bucket %q: %w", b.Name, err)
	}
	return b, nil
}

func validClass(class string) bool {
	return class == ClassStandard || class == ClassIA || archived(class)
}

// archived says whether objects of the class must be restored before they can be read.
func archived(class string) bool {
	return class == ClassArchive || class == ClassColdArchive || class == ClassDeepColdArchive
}

func validACL(acl string) bool {
	return acl == ACLPrivate || acl == ACLPublicRead || acl == ACLPublicReadWrite
}

// validate returns the error that OSS gives for the algorithm or for a key that does not fit it.
func (e Encryption) validate() error {
	switch e.Algorithm {
	case "", EncryptionAES256, EncryptionSM4:
		if e.KMSKeyID != "" {
			return invalidArgument("KMSMasterKeyID is not applicable if the sse algorithm is not KMS.")
		}
		return nil
	case EncryptionKMS:
		return nil
	}
	return invalidEncryptionAlgorithm()
}

func validBucketName(name string) bool {
	if len(name) < 3 || len(name) > 63 {
		return false
	}
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return name[0] != '-' && name[len(name)-1] != '-'
}
