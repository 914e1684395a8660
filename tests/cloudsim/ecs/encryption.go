// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"net/http"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

// encryption is how a disk or a snapshot is encrypted. The zero value is not at all.
type encryption struct {
	on    bool
	keyID string
}

const (
	paramEncrypted = "Encrypted"
	paramKMSKeyID  = "KMSKeyId"
)

// ServiceKeyID is the id of the key that KMS manages for ECS in a region. It encrypts what no other key is named for.
func ServiceKeyID(region string) string { return "key-ecs-" + region }

// readEncryption reads the encryption of a new disk. A disk from an encrypted snapshot has the snapshot's.
func readEncryption(r *request, source *snapshot) (encryption, error) {
	asked := encryption{on: r.Params.Bool(paramEncrypted), keyID: r.Params.String(paramKMSKeyID)}
	if source != nil && source.encryption.on {
		switch {
		case r.Params.String(paramEncrypted) == "false":
			return encryption{}, rpc.BadRequest("InvalidParameter.Encrypted",
				"Creating non-encrypted disks with encrypted snapshots is not supported.")
		case asked.keyID != "" && asked.keyID != source.encryption.keyID:
			return encryption{}, rpc.BadRequest("InvalidKmsKeyId.NotMatchSnapshot",
				"The specified parameter KmsKeyId is different from the KmsKeyId of the snapshot.")
		}
		asked = source.encryption
	}
	return asked.check(r.region, r.Caller.AccountID, http.StatusBadRequest)
}

// completed names the region's service key where no key is named.
func (e encryption) completed(in *region) encryption {
	if e.on && e.keyID == "" {
		e.keyID = ServiceKeyID(in.id)
	}
	return e
}

// check completes an encryption with the region's service key, and checks its key. The status is that of the
// errors about parameters, which differs between operations.
func (e encryption) check(in *region, account string, status int) (encryption, error) {
	switch {
	case !e.on && e.keyID != "":
		return e, &rpc.Error{
			Status: status, Code: "InvalidEncrypted.NotMatchKmsKeyId",
			Message: "The specified parameter Encrypted must be true when KmsKeyId is not empty.",
		}
	case !e.on:
		return e, nil
	}
	e = e.completed(in)
	if e.keyID == ServiceKeyID(in.id) {
		return e, nil
	}
	key, ok := in.keys[e.keyID]
	switch {
	case !ok || key.Account != account:
		return e, &rpc.Error{
			Status: status, Code: "InvalidParameter.KMSKeyId.NotFound", Message: "The specified KMSKeyId does not exist.",
		}
	case key.Disabled:
		return e, rpc.Forbidden("InvalidParameter.KMSKeyId.CMKNotEnabled", "The CMK needs to be enabled.")
	case key.Unauthorized:
		return e, rpc.Forbidden("InvalidParameter.KMSKeyId.KMSUnauthorized", "ECS service have no right to access your KMS.")
	default:
		return e, nil
	}
}
