// SPDX-License-Identifier: Apache-2.0

package hbr

import "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"

// pageAnswer is what answers that are lists have in common.
type pageAnswer struct {
	PageNumber int64 `json:"PageNumber"`
	PageSize   int64 `json:"PageSize"`
	TotalCount int   `json:"TotalCount"`
}

// paginate returns the items of the page that is asked for.
func paginate[T any](p rpc.Params, all []T) ([]T, pageAnswer, error) {
	const defaultSize, largest = 10, 99
	number, size := p.Int("PageNumber", 1), p.Int("PageSize", defaultSize)
	if number < 1 || size < 1 || size > largest {
		return nil, pageAnswer{}, illegal("PageSize is not within 1 and 99, or PageNumber below 1")
	}
	paging := pageAnswer{PageNumber: number, PageSize: size, TotalCount: len(all)}
	all = all[min(int64(len(all)), (number-1)*size):]
	return all[:min(int64(len(all)), size)], paging, nil
}
