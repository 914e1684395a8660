// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"net/http"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

// The errors that more than one operation gives. Codes and statuses are those of the document "Error codes" of the API.

// illegal is the error for parameters that are not good, and for a vault that has been deleted. What is in brackets
// says why, as the cloud does not.
func illegal(why string) *rpc.Error {
	return rpc.BadRequest("BadRequest", "Illegal request. Please modify the parameters ["+why+"]")
}

func vaultNotExist() *rpc.Error {
	return rpc.NotFound("VaultNotExist", "The specified vault does not exist.")
}

func initVaultError() *rpc.Error {
	return &rpc.Error{
		Status: http.StatusInternalServerError, Code: "InitVaultError", Message: "Failed to initialize a repository.",
	}
}

func resourceNotFound() *rpc.Error {
	return rpc.NotFound("ResourceNotFound", "The specified resource is not found.")
}

func notSimulated(what string) *rpc.Error {
	return rpc.BadRequest("NotSimulated", "The simulator does not have "+what+".")
}
