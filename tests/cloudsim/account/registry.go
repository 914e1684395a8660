// SPDX-License-Identifier: Apache-2.0

// Package account holds the accounts of the simulated cloud: RAM users, roles, access keys, STS sessions, and the
// policies that say what each may do.
package account

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Errors of Registry.Key.
var (
	ErrUnknownKey   = errors.New("access key does not exist")
	ErrInactiveKey  = errors.New("access key is inactive")
	ErrInvalidToken = errors.New("security token is invalid")
	ErrExpiredToken = errors.New("security token has expired")
)

// Errors of the methods that change the registry.
var (
	ErrExists       = errors.New("already exists")
	ErrDoesNotExist = errors.New("does not exist")
)

// Registry is all accounts. It is safe for concurrent use.
type Registry struct {
	now func() time.Time

	mu         sync.RWMutex
	identities map[string]*identity // by ARN
	keys       map[string]*key      // by access key id
}

// identity is what policies are attached to: an account's root, a RAM user or a role.
type identity struct {
	accountID string
	arn       string
	root      bool
	policies  []Policy
	role      *role // nil for anything but a role
}

// key is an access key. A session's key has a token.
type key struct {
	secret   string
	inactive bool
	identity *identity
	session  *session // nil for a permanent key
}

// New returns a registry without accounts. The clock decides when sessions expire.
func New(now func() time.Time) *Registry {
	return &Registry{now: now, identities: map[string]*identity{}, keys: map[string]*key{}}
}

// RootARN is the ARN of a main account itself.
func RootARN(accountID string) string { return arn(accountID, "root") }

// UserARN is the ARN of a RAM user.
func UserARN(accountID, user string) string { return arn(accountID, "user/"+user) }

// RoleARN is the ARN of a role.
func RoleARN(accountID, role string) string { return arn(accountID, "role/"+role) }

// ProviderARN is the ARN of an OIDC provider.
func ProviderARN(accountID, provider string) string { return arn(accountID, "oidc-provider/"+provider) }

func arn(accountID, rest string) string { return "acs:ram::" + accountID + ":" + rest }

// AddAccount adds a main account, which may do anything in itself.
func (r *Registry) AddAccount(accountID string) error {
	return r.add(&identity{accountID: accountID, arn: RootARN(accountID), root: true})
}

// AddUser adds a RAM user with its policies to an account.
func (r *Registry) AddUser(accountID, name string, policies ...Policy) error {
	return r.add(&identity{accountID: accountID, arn: UserARN(accountID, name), policies: slices.Clone(policies)})
}

func (r *Registry) add(id *identity) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.identities[id.arn]; ok {
		return fmt.Errorf("%s: %w", id.arn, ErrExists)
	}
	if _, ok := r.identities[RootARN(id.accountID)]; !ok && !id.root {
		return fmt.Errorf("account %s: %w", id.accountID, ErrDoesNotExist)
	}
	r.identities[id.arn] = id
	return nil
}

// SetPolicy replaces the policies of a user or a role. It holds for the next request, also of sessions that are
// open already.
func (r *Registry) SetPolicy(identityARN string, policies ...Policy) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, ok := r.identities[identityARN]
	if !ok || id.root {
		return fmt.Errorf("user or role %s: %w", identityARN, ErrDoesNotExist)
	}
	id.policies = slices.Clone(policies)
	return nil
}

// CreateKey gives an account's root or a user an access key.
func (r *Registry) CreateKey(identityARN, accessKeyID, secret string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, ok := r.identities[identityARN]
	if !ok || id.role != nil {
		return fmt.Errorf("account or user %s: %w", identityARN, ErrDoesNotExist)
	}
	if _, ok := r.keys[accessKeyID]; ok {
		return fmt.Errorf("access key %s: %w", accessKeyID, ErrExists)
	}
	r.keys[accessKeyID] = &key{secret: secret, identity: id}
	return nil
}

// DisableKey makes an access key inactive.
func (r *Registry) DisableKey(accessKeyID string) error {
	return r.changeKey(accessKeyID, func(k *key) { k.inactive = true })
}

// EnableKey makes an inactive access key active again.
func (r *Registry) EnableKey(accessKeyID string) error {
	return r.changeKey(accessKeyID, func(k *key) { k.inactive = false })
}

// DeleteKey removes an access key, or ends the session to which it belongs.
func (r *Registry) DeleteKey(accessKeyID string) error {
	return r.changeKey(accessKeyID, func(*key) { delete(r.keys, accessKeyID) })
}

func (r *Registry) changeKey(accessKeyID string, change func(*key)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.keys[accessKeyID]
	if !ok {
		return fmt.Errorf("access key %s: %w", accessKeyID, ErrDoesNotExist)
	}
	change(k)
	return nil
}

// Key returns the secret of an access key and whose it is. A session's key needs its security token; any other key
// must come without one. The error is ErrUnknownKey, ErrInactiveKey, ErrInvalidToken or ErrExpiredToken.
func (r *Registry) Key(accessKeyID, securityToken string) (secret string, caller Caller, err error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	k, ok := r.keys[accessKeyID]
	switch {
	case !ok:
		return "", Caller{}, ErrUnknownKey
	case k.inactive:
		return "", Caller{}, ErrInactiveKey
	case k.session == nil && securityToken != "", k.session != nil && securityToken != k.session.token:
		return "", Caller{}, ErrInvalidToken
	case k.session != nil && !r.now().Before(k.session.expiration):
		return "", Caller{}, ErrExpiredToken
	}
	caller = Caller{AccountID: k.identity.accountID, ARN: k.identity.arn, AccessKeyID: accessKeyID, identity: k.identity.arn}
	if k.session != nil {
		caller.Session = true
		caller.ARN = k.session.arn
		caller.sessionPolicy = k.session.policy
	}
	return k.secret, caller, nil
}

// Decision is the answer to whether a caller may do something, with what a denial tells the client in
// AccessDeniedDetail.
type Decision struct {
	Allowed bool
	// NoPermissionType is ExplicitDeny or ImplicitDeny.
	NoPermissionType string
	// PolicyType is the kind of policy that denied: AccountLevelIdentityBasedPolicy, or SessionPolicy.
	PolicyType string
}

// Allows says whether the caller may do the action ("oss:PutObject") on the resource
// ("acs:oss:*:<account>:<bucket>/<key>"). An explicit Deny wins, and what no statement allows is denied. Nothing is
// allowed on a resource of another account.
func (r *Registry) Allows(c Caller, action, resource string) bool {
	return r.Decide(c, action, resource).Allowed
}

// Decide is Allows with the reason for a denial.
func (r *Registry) Decide(c Caller, action, resource string) Decision {
	if owner := ownerOf(resource); owner != "" && owner != "*" && owner != c.AccountID {
		return denied(implicitDeny, identityPolicy)
	}
	return r.decideByPolicies(c, action, resource)
}

const (
	identityPolicy = "AccountLevelIdentityBasedPolicy"
	sessionPolicy  = "SessionPolicy"
)

// decideByPolicies asks the caller's own policies alone, whoever owns the resource.
func (r *Registry) decideByPolicies(c Caller, action, resource string) Decision {
	r.mu.RLock()
	defer r.mu.RUnlock()
	id, ok := r.identities[c.identity]
	if !ok {
		return denied(implicitDeny, identityPolicy)
	}
	request := maps.Clone(c.request)
	if request == nil {
		request = map[string]string{}
	}
	request[KeyCurrentTime] = r.now().UTC().Format(time.RFC3339)
	if !id.root {
		if v := decide(id.policies, action, resource, request); v != allow {
			return denied(v, identityPolicy)
		}
	}
	if c.sessionPolicy != nil {
		if v := decide([]Policy{*c.sessionPolicy}, action, resource, request); v != allow {
			return denied(v, sessionPolicy)
		}
	}
	return Decision{Allowed: true}
}

func denied(v verdict, policyType string) Decision {
	reason := "ImplicitDeny"
	if v == explicitDeny {
		reason = "ExplicitDeny"
	}
	return Decision{NoPermissionType: reason, PolicyType: policyType}
}

// ownerOf returns the account of a resource's name, acs:<service>:<region>:<account>:<rest>.
func ownerOf(resource string) string {
	parts := strings.SplitN(resource, ":", 5)
	if len(parts) < 5 {
		return ""
	}
	return parts[3]
}
