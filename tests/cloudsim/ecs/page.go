// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"encoding/base64"
	"encoding/json"
	"strconv"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

const (
	defaultPage = 10
	maxIDs      = 100
)

// page is a part of a list, as both ways of paging describe it: MaxResults with NextToken, and PageNumber with
// PageSize.
type page struct {
	size   int64
	number int64
	// before is the sequence of the last item that the client has got, 0 for the first page.
	before int64
}

// pageAnswer is what the answers of both ways have in common.
type pageAnswer struct {
	NextToken  string `json:"NextToken"`
	PageNumber int64  `json:"PageNumber"`
	PageSize   int64  `json:"PageSize"`
	TotalCount int    `json:"TotalCount"`
}

// readPage reads the parameters of paging. A MaxResults below the smallest is raised to it.
func readPage(p rpc.Params, smallest, largest int64) (page, error) {
	result := page{size: defaultPage, number: 1}
	if !p.Has("MaxResults") && !p.Has("NextToken") {
		result.number, result.size = p.Int("PageNumber", 1), p.Int("PageSize", defaultPage)
		if result.number < 1 || result.size < 1 || result.size > largest {
			return page{}, invalidParameter("PageSize")
		}
		return result, nil
	}
	result.size = max(p.Int("MaxResults", defaultPage), smallest)
	if result.size < 1 || result.size > largest {
		return page{}, invalidParameter("MaxResults")
	}
	if token := p.String("NextToken"); token != "" {
		text, err := base64.RawURLEncoding.DecodeString(token)
		if err == nil {
			result.before, err = strconv.ParseInt(string(text), 10, 64)
		}
		if err != nil {
			return page{}, invalidParameter("NextToken")
		}
	}
	return result, nil
}

// paginate returns the page's items of a list that is sorted newest first. A token stays good while items come and go.
func paginate[T owned](p page, all []T) ([]T, pageAnswer) {
	answer := pageAnswer{PageNumber: p.number, PageSize: p.size, TotalCount: len(all)}
	if p.before > 0 {
		for len(all) > 0 && all[0].common().sequence >= p.before {
			all = all[1:]
		}
	}
	all = all[min(int64(len(all)), (p.number-1)*p.size):]
	if int64(len(all)) > p.size {
		all = all[:p.size]
		last := strconv.FormatInt(all[p.size-1].common().sequence, 10)
		answer.NextToken = base64.RawURLEncoding.EncodeToString([]byte(last))
	}
	return all, answer
}

// readIDs reads a parameter that is a JSON array of at most 100 ids. None means that the parameter was not given.
func readIDs(p rpc.Params, name string) ([]string, error) {
	text := p.String(name)
	if text == "" {
		return nil, nil
	}
	var ids []string
	if err := json.Unmarshal([]byte(text), &ids); err != nil {
		return nil, rpc.BadRequest("Invalid"+name+".Malformed", "The specified parameter \""+name+"\" is not valid.")
	}
	if len(ids) > maxIDs {
		return nil, rpc.BadRequest("Invalid"+name+".Malformed", "The amount of specified ids exceeds the limit.")
	}
	return ids, nil
}
