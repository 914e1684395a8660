// SPDX-License-Identifier: Apache-2.0

package account

import (
	"crypto/rand"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

// DefaultMaxSession is the longest session of a role for which nothing else was set, as in RAM.
const DefaultMaxSession = time.Hour

// Errors of assuming a role.
var (
	ErrNoSuchRole    = errors.New("role does not exist")
	ErrRootCaller    = errors.New("a main account can not assume a role")
	ErrNotAuthorized = errors.New("the caller's policies do not allow it to assume the role")
	ErrNotTrusted    = errors.New("the role does not trust the caller")
	ErrDuration      = errors.New("the session is longer than the role allows")
)

type role struct {
	name       string
	trust      TrustPolicy
	maxSession time.Duration
}

type session struct {
	token      string
	expiration time.Time
	arn        string
	policy     *Policy
}

// RoleSpec describes a role that is added.
type RoleSpec struct {
	AccountID string
	Name      string
	Trust     TrustPolicy
	Policies  []Policy
	// MaxSession is the longest session that STS gives out. Zero is DefaultMaxSession.
	MaxSession time.Duration
}

// AddRole adds a role to an account.
func (r *Registry) AddRole(spec RoleSpec) error {
	if spec.MaxSession == 0 {
		spec.MaxSession = DefaultMaxSession
	}
	return r.add(&identity{
		accountID: spec.AccountID,
		arn:       RoleARN(spec.AccountID, spec.Name),
		policies:  slices.Clone(spec.Policies),
		role:      &role{name: spec.Name, trust: spec.Trust, maxSession: spec.MaxSession},
	})
}

// AssumeRequest is what a party asks for that assumes a role.
type AssumeRequest struct {
	RoleARN     string
	SessionName string
	Duration    time.Duration
	// Policy narrows the session. It is nil for all that the role may do.
	Policy *Policy
	// ExternalID is what the role's trust policy may demand in sts:ExternalId.
	ExternalID string
}

// Session is a set of temporary credentials.
type Session struct {
	AccessKeyID     string
	AccessKeySecret string
	SecurityToken   string
	Expiration      time.Time
	// ARN is the assumed role's: acs:ram::<account>:assumed-role/<role>/<session name>.
	ARN string
	// RoleID is the id of the role, a number.
	RoleID string
}

// Claims is what an OIDC token says whose signature was verified.
type Claims struct {
	Issuer   string
	Audience string
	Subject  string
}

// AssumeRole opens a session for a RAM user or for another role's session. The caller's own policies must allow
// sts:AssumeRole on the role, and the role must trust the caller.
func (r *Registry) AssumeRole(c Caller, req AssumeRequest) (Session, error) {
	if c.identity == RootARN(c.AccountID) {
		return Session{}, ErrRootCaller
	}
	if _, err := r.roleOf(req.RoleARN); err != nil {
		return Session{}, err
	}
	if !r.decideByPolicies(c, assumeRoleAction, req.RoleARN).Allowed {
		return Session{}, ErrNotAuthorized
	}
	if req.ExternalID != "" {
		c = c.With(KeyExternalID, req.ExternalID)
	}
	return r.open(req, ramPrincipal, []string{c.identity, RootARN(c.AccountID)}, c.request)
}

// AssumeRoleForService opens a session for a service of the cloud, such as ecs.aliyuncs.com, that the role trusts.
// The role's longest session does not bind a service.
func (r *Registry) AssumeRoleForService(service string, req AssumeRequest) (Session, error) {
	return r.open(req, servicePrincipal, []string{service}, nil)
}

// AssumeRoleWithOIDC opens a session for who showed a token of an OIDC provider that the role trusts. The claims
// must have been verified.
func (r *Registry) AssumeRoleWithOIDC(providerARN string, claims Claims, req AssumeRequest) (Session, error) {
	request := map[string]string{
		KeyOIDCIssuer:   claims.Issuer,
		KeyOIDCAudience: claims.Audience,
		KeyOIDCSubject:  claims.Subject,
	}
	return r.open(req, federatedPrincipal, []string{providerARN}, request)
}

func (r *Registry) roleOf(roleARN string) (*identity, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	id, ok := r.identities[roleARN]
	if !ok || id.role == nil {
		return nil, fmt.Errorf("%s: %w", roleARN, ErrNoSuchRole)
	}
	return id, nil
}

func (r *Registry) open(
	req AssumeRequest, kind principalKind, names []string, request map[string]string,
) (Session, error) {
	id, err := r.roleOf(req.RoleARN)
	if err != nil {
		return Session{}, err
	}
	if !id.role.trust.trusts(kind, names, request) {
		return Session{}, ErrNotTrusted
	}
	if kind != servicePrincipal && req.Duration > id.role.maxSession {
		return Session{}, fmt.Errorf("%w: at most %s", ErrDuration, id.role.maxSession)
	}
	s := Session{
		AccessKeyID:     "STS.N" + rand.Text()[:24],
		AccessKeySecret: rand.Text() + rand.Text()[:18],
		SecurityToken:   "CAIS" + strings.Repeat(rand.Text(), 8) + rand.Text(),
		Expiration:      r.now().Add(req.Duration).Truncate(time.Second),
		ARN:             arn(id.accountID, "assumed-role/"+id.role.name+"/"+req.SessionName),
		RoleID:          roleID(id.arn),
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys[s.AccessKeyID] = &key{
		secret:   s.AccessKeySecret,
		identity: id,
		session:  &session{token: s.SecurityToken, expiration: s.Expiration, arn: s.ARN, policy: req.Policy},
	}
	return s, nil
}

// roleID makes up a role's id, a number of 18 digits, from its ARN.
func roleID(roleARN string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(roleARN)) // a hash never fails
	return fmt.Sprintf("3%017d", h.Sum64()%1e17)
}
