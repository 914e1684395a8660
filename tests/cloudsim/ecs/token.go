// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

const (
	paramClientToken = "ClientToken"
	maxClientToken   = 64
)

// tokenKey is what a ClientToken belongs to.
type tokenKey struct{ account, region, action, token string }

// tokenUse is the successful call that used a ClientToken.
type tokenUse struct {
	params rpc.Params
	result any
	at     time.Time
}

// once serves a call, or repeats the answer of an earlier one with the same ClientToken. A call that failed may be
// repeated with its token.
func (s *Service) once(op operation, r *request) (any, error) {
	token := r.Params.String(paramClientToken)
	if token == "" {
		return op.handle(r)
	}
	if len(token) > maxClientToken || strings.IndexFunc(token, func(c rune) bool { return c > 127 }) >= 0 {
		return nil, rpc.Forbidden("InvalidClientToken.Malformed", "The specified clientToken is improperly formatted. "+
			"It must contain only ASCII characters and must not exceed 64 characters in length.")
	}
	key := tokenKey{r.Caller.AccountID, r.region.id, op.action, token}
	params := ownParams(r.Params)
	if use, ok := s.tokens[key]; ok {
		switch {
		case !maps.Equal(use.params, params):
			return nil, rpc.Forbidden("IdempotentParameterMismatch", "The specified clientToken is used.")
		case r.now.Before(use.at.Add(s.durations.Processing.Duration)):
			return nil, rpc.Forbidden("IdempotentProcessing", "The previous idempotent request(s) is still processing.")
		}
		return use.result, nil
	}
	result, err := op.handle(r)
	if err == nil {
		s.tokens[key] = tokenUse{params: params, result: result, at: r.now}
	}
	return result, err
}

// ownParams leaves out the parameters of the RPC protocol, which differ from call to call.
func ownParams(p rpc.Params) rpc.Params {
	own := maps.Clone(p)
	maps.DeleteFunc(own, func(name, _ string) bool {
		return slices.Contains([]string{"AccessKeyId", "SecurityToken", "Timestamp"}, name) ||
			strings.HasPrefix(name, "Signature")
	})
	return own
}
