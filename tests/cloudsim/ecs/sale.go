// SPDX-License-Identifier: Apache-2.0

package ecs

import "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"

// Refusal is the code of the error that CreateDisk gives for what a zone does not sell.
type Refusal string

// The codes of refusals. The first two are in the reference of CreateDisk; the third is in that of other operations
// which buy, and the CSI driver expects it here too.
const (
	// ZoneNotOnSale is for a zone that sells nothing any more.
	ZoneNotOnSale Refusal = "Zone.NotOnSale"
	// CategoryNotSupported is for a category that the zone never has.
	CategoryNotSupported Refusal = "InvalidDataDiskCategory.NotSupported"
	// NoStock is for a category that is sold out.
	NoStock Refusal = "OperationDenied.NoStock"
)

// err returns the error with the code, nil for a code that is not known.
func (r Refusal) err() error {
	switch r {
	case ZoneNotOnSale:
		return rpc.Forbidden(string(r),
			"The resource in the specified zone is no longer available for sale. Please try other regions and zones.")
	case CategoryNotSupported:
		return rpc.BadRequest(string(r), "Specified disk category is not supported.")
	case NoStock:
		return rpc.Forbidden(string(r),
			"The requested resource is sold out in the specified zone; try other types of resources or other regions and zones.")
	default:
		return nil
	}
}
