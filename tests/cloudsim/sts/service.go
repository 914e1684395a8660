// SPDX-License-Identifier: Apache-2.0

// Package sts is the simulated Security Token Service, API version 2015-04-01.
package sts

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

// Product is the service's name in endpoints, in the journal and in fault rules.
const Product = "sts"

const (
	defaultDuration = 3600 // seconds
	minDuration     = 900  // seconds
	maxPolicy       = 2048 // characters
)

// Accounts is what the service needs of account.Registry.
type Accounts interface {
	AssumeRole(c account.Caller, req account.AssumeRequest) (account.Session, error)
	AssumeRoleWithOIDC(providerARN string, claims account.Claims, req account.AssumeRequest) (account.Session, error)
}

// service has what the operations share.
type service struct {
	accounts    Accounts
	providers   map[string]Provider // by ARN
	now         func() time.Time
	sessionName *regexp.Regexp
	roleARN     *regexp.Regexp
}

// Operations returns the operations of the service, for rpc.NewService. The clock decides whether an OIDC token
// has expired.
func Operations(accounts Accounts, providers []Provider, now func() time.Time) []rpc.Operation {
	s := &service{
		accounts:  accounts,
		providers: make(map[string]Provider, len(providers)),
		now:       now,
		// From the API's reference: 2 to 64 characters, letters, digits, periods, at signs, hyphens, underscores.
		sessionName: regexp.MustCompile(`^[\w.@-]{2,64}$`),
		roleARN:     regexp.MustCompile(`^acs:ram::\d+:role/[A-Za-z0-9._-]{1,64}$`),
	}
	for _, p := range providers {
		s.providers[p.ARN] = p
	}
	return []rpc.Operation{
		{Action: "AssumeRole", Target: "RoleArn", Handle: s.assumeRole},
		{Action: "AssumeRoleWithOIDC", Target: "RoleArn", Anonymous: true, Handle: s.assumeRoleWithOIDC},
		{Action: "GetCallerIdentity", Handle: s.callerIdentity},
	}
}

type credentials struct {
	AccessKeyID     string `json:"AccessKeyId"`
	AccessKeySecret string `json:"AccessKeySecret"`
	SecurityToken   string `json:"SecurityToken"`
	Expiration      string `json:"Expiration"`
}

type assumedRoleUser struct {
	ARN string `json:"Arn"`
	ID  string `json:"AssumedRoleId"`
}

type assumeRoleResult struct {
	AssumedRoleUser assumedRoleUser `json:"AssumedRoleUser"`
	Credentials     credentials     `json:"Credentials"`
	OIDCTokenInfo   *tokenInfo      `json:"OIDCTokenInfo,omitempty"`
}

func (s *service) assumeRole(_ context.Context, call *rpc.Call) (any, error) {
	req, err := s.readRequest(call.Params)
	if err != nil {
		return nil, err
	}
	session, err := s.accounts.AssumeRole(call.Caller, req)
	if err != nil {
		return nil, assumeError(call.Caller, req, err)
	}
	return resultOf(session, req), nil
}

func (s *service) assumeRoleWithOIDC(_ context.Context, call *rpc.Call) (any, error) {
	req, err := s.readRequest(call.Params)
	if err != nil {
		return nil, err
	}
	// The metadata marks these as optional, the API's reference as required.
	for _, name := range []string{"OIDCProviderArn", "OIDCToken"} {
		if call.Params.String(name) == "" {
			return nil, rpc.BadRequest("Missing"+name, name+" is mandatory for this action.")
		}
	}
	provider, ok := s.providers[call.Params.String("OIDCProviderArn")]
	if !ok {
		return nil, unauthenticated("NoPermission", "No such OIDC Provider registered.")
	}
	claims, info, err := provider.verify(call.Params.String("OIDCToken"), s.now())
	if err != nil {
		return nil, err
	}
	session, err := s.accounts.AssumeRoleWithOIDC(provider.ARN, claims, req)
	switch {
	case errors.Is(err, account.ErrNotTrusted):
		return nil, unauthenticated("NoPermission", "There is no permission")
	case err != nil:
		return nil, assumeError(account.Caller{}, req, err)
	}
	result := resultOf(session, req)
	result.OIDCTokenInfo = &info
	return result, nil
}

// readRequest reads the parameters that both operations have.
func (s *service) readRequest(p rpc.Params) (account.AssumeRequest, error) {
	req := account.AssumeRequest{
		RoleARN:     p.String("RoleArn"),
		SessionName: p.String("RoleSessionName"),
		Duration:    time.Duration(p.Int("DurationSeconds", defaultDuration)) * time.Second,
		ExternalID:  p.String("ExternalId"),
	}
	switch {
	case !s.roleARN.MatchString(req.RoleARN):
		return req, rpc.BadRequest("InvalidParameter.RoleArn", "The parameter RoleArn is wrongly formed.")
	case !s.sessionName.MatchString(req.SessionName):
		return req, rpc.BadRequest("InvalidParameter.RoleSessionName",
			"The parameter RoleSessionName is wrongly formed.")
	case req.Duration < minDuration*time.Second:
		return req, durationError()
	}
	if document := p.String("Policy"); document != "" {
		policy, err := account.ParsePolicy([]byte(document))
		if err != nil || len(document) > maxPolicy {
			return req, rpc.BadRequest("InvalidParameter.PolicyGrammar",
				"The parameter Policy has not passed grammar check.")
		}
		req.Policy = &policy
	}
	return req, nil
}

func durationError() *rpc.Error {
	return rpc.BadRequest("InvalidParameter.DurationSeconds", "The Min/Max value of DurationSeconds is 15min/1hr.")
}

// assumeError turns an error of the accounts into the API's.
func assumeError(c account.Caller, req account.AssumeRequest, err error) error {
	switch {
	case errors.Is(err, account.ErrNoSuchRole):
		return rpc.NotFound("EntityNotExist.Role", "The role not exists: "+req.RoleARN+".")
	case errors.Is(err, account.ErrRootCaller):
		return rpc.Forbidden("NoPermission", "Roles may not be assumed by root accounts.")
	case errors.Is(err, account.ErrNotAuthorized), errors.Is(err, account.ErrNotTrusted):
		policyType := "AccountLevelIdentityBasedPolicy"
		if errors.Is(err, account.ErrNotTrusted) {
			policyType = "AssumeRolePolicy"
		}
		return rpc.NoPermission.Denied(c, "sts:AssumeRole", account.Decision{
			NoPermissionType: "ImplicitDeny", PolicyType: policyType,
		})
	case errors.Is(err, account.ErrDuration):
		return durationError()
	default:
		return fmt.Errorf("assume %s: %w", req.RoleARN, err)
	}
}

func unauthenticated(code, message string) *rpc.Error {
	return &rpc.Error{Status: http.StatusUnauthorized, Code: "AuthenticationFail." + code, Message: message}
}

func resultOf(session account.Session, req account.AssumeRequest) assumeRoleResult {
	return assumeRoleResult{
		AssumedRoleUser: assumedRoleUser{
			// Here the API names the role, not the assumed role as in GetCallerIdentity.
			ARN: req.RoleARN + "/" + req.SessionName,
			ID:  session.RoleID + ":" + req.SessionName,
		},
		Credentials: credentials{
			AccessKeyID:     session.AccessKeyID,
			AccessKeySecret: session.AccessKeySecret,
			SecurityToken:   session.SecurityToken,
			Expiration:      session.Expiration.UTC().Format(time.RFC3339),
		},
	}
}

type identity struct {
	IdentityType string `json:"IdentityType"`
	AccountID    string `json:"AccountId"`
	ARN          string `json:"Arn"`
}

func (s *service) callerIdentity(_ context.Context, call *rpc.Call) (any, error) {
	kind := "RAMUser"
	switch {
	case call.Caller.Session:
		kind = "AssumedRoleUser"
	case strings.HasSuffix(call.Caller.ARN, ":root"):
		kind = "Account"
	}
	return identity{IdentityType: kind, AccountID: call.Caller.AccountID, ARN: call.Caller.ARN}, nil
}
