// SPDX-License-Identifier: Apache-2.0

// Package imds is the simulated instance metadata service of ECS, the one at http://100.100.100.200/latest/.
package imds

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/journal"
)

const (
	// name is the service's name in the journal and in fault rules.
	name = "imds"
	// trustedService is the service that a role must trust so that an instance can have it.
	trustedService = "ecs.aliyuncs.com"

	headerToken = "X-aliyun-ecs-metadata-token"
	headerTTL   = "X-aliyun-ecs-metadata-token-ttl-seconds"
	maxTTL      = 21600 // seconds

	// defaultLifetime is that of the credentials which the real service hands out.
	defaultLifetime = 6 * time.Hour
	// renewBefore is how long before their end the credentials are replaced by new ones.
	renewBefore = 30 * time.Minute

	root           = "/latest/"
	pathToken      = "api/token"
	pathRoles      = "meta-data/ram/security-credentials/"
	pathIdentity   = "dynamic/instance-identity/document"
	metadataPrefix = "meta-data/"
)

// Instance is the ECS instance whose metadata is served.
type Instance struct {
	Region    string
	Zone      string
	ID        string
	AccountID string
	// Role is the name of the RAM role that the instance has. Empty is for none.
	Role string
	// Hardened demands a token for every request.
	Hardened bool
	// CredentialLifetime is how long credentials are good. Zero means six hours.
	CredentialLifetime time.Duration
}

// Roles opens the sessions whose credentials are handed out. It is account.Registry.
type Roles interface {
	AssumeRoleForService(service string, req account.AssumeRequest) (account.Session, error)
}

// Service serves the metadata of one instance. It implements front.Service.
type Service struct {
	instance Instance
	roles    Roles
	now      func() time.Time

	mu      sync.Mutex
	tokens  map[string]time.Time // when each token ends
	session account.Session      // the credentials that are handed out at present
	issued  time.Time
}

// New returns the metadata service of an instance.
func New(instance Instance, roles Roles, now func() time.Time) *Service {
	if instance.CredentialLifetime == 0 {
		instance.CredentialLifetime = defaultLifetime
	}
	return &Service{instance: instance, roles: roles, now: now, tokens: map[string]time.Time{}}
}

// Name implements front.Service.
func (s *Service) Name() string { return name }

// Operation implements front.Service. The service has no named operations, so these are names of our own.
func (s *Service) Operation(r *http.Request) (operation, resource string) {
	path := strings.TrimPrefix(r.URL.Path, root)
	switch {
	case path == pathToken:
		return "PutToken", path
	case path == pathRoles:
		return "ListRoles", path
	case strings.HasPrefix(path, pathRoles):
		return "GetCredentials", path
	case path == pathIdentity:
		return "GetIdentityDocument", path
	default:
		return "GetMetadata", path
	}
}

// WriteError implements front.Service. The service has no error format but the status.
func (s *Service) WriteError(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	journal.From(r.Context()).Code = code
	http.Error(w, code+": "+message, status)
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, root)
	switch {
	case !ok:
		s.notFound(w, r)
	case path == pathToken:
		s.putToken(w, r)
	case r.Method != http.MethodGet:
		s.WriteError(w, r, http.StatusMethodNotAllowed, "MethodNotAllowed", r.Method+" is not allowed")
	case !s.admits(r):
		s.WriteError(w, r, http.StatusForbidden, "Forbidden", "the metadata token is missing, unknown or has expired")
	case strings.HasPrefix(path, pathRoles):
		s.serveRole(w, r, strings.TrimPrefix(path, pathRoles))
	case path == pathIdentity:
		s.serveIdentity(w)
	default:
		s.serveMetadata(w, r, path)
	}
}

func (s *Service) notFound(w http.ResponseWriter, r *http.Request) {
	s.WriteError(w, r, http.StatusNotFound, "NotFound", "there is no "+r.URL.Path)
}

// putToken issues a token that is good for as many seconds as the client asks for.
func (s *Service) putToken(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut {
		s.WriteError(w, r, http.StatusMethodNotAllowed, "MethodNotAllowed", "a token is asked for by PUT")
		return
	}
	ttl, err := strconv.Atoi(r.Header.Get(headerTTL))
	if err != nil || ttl < 1 || ttl > maxTTL {
		s.WriteError(w, r, http.StatusBadRequest, "BadRequest", fmt.Sprintf("%s is not within 1 and %d", headerTTL, maxTTL))
		return
	}
	token := rand.Text() + "=="
	s.mu.Lock()
	s.tokens[token] = s.now().Add(time.Duration(ttl) * time.Second)
	s.mu.Unlock()
	writeText(w, token)
}

// admits says whether the request's token lets it in. Unless the service is hardened, none is needed; but one that
// is wrong is refused in any case.
func (s *Service) admits(r *http.Request) bool {
	token := r.Header.Get(headerToken)
	if token == "" {
		return !s.instance.Hardened
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	end, ok := s.tokens[token]
	return ok && s.now().Before(end)
}

// serveRole lists the instance's role, or hands out credentials of it.
func (s *Service) serveRole(w http.ResponseWriter, r *http.Request, role string) {
	switch {
	case s.instance.Role == "":
		s.notFound(w, r)
	case role == "":
		writeText(w, s.instance.Role)
	case role != s.instance.Role:
		s.notFound(w, r)
	default:
		s.serveCredentials(w, r)
	}
}

// credentials are the metadata service's answer.
type credentials struct {
	AccessKeyID     string `json:"AccessKeyId"`
	AccessKeySecret string `json:"AccessKeySecret"`
	Expiration      string `json:"Expiration"`
	SecurityToken   string `json:"SecurityToken"`
	LastUpdated     string `json:"LastUpdated"`
	Code            string `json:"Code"`
}

func (s *Service) serveCredentials(w http.ResponseWriter, r *http.Request) {
	now := s.now().Add(fault.FromContext(r.Context()).ClockSkew)
	session, issued, err := s.current(now)
	if err != nil {
		s.notFound(w, r) // so answers an instance whose role was deleted or does not trust ECS
		return
	}
	writeJSON(w, credentials{
		AccessKeyID:     session.AccessKeyID,
		AccessKeySecret: session.AccessKeySecret,
		Expiration:      session.Expiration.UTC().Format(time.RFC3339),
		SecurityToken:   session.SecurityToken,
		LastUpdated:     issued.UTC().Format(time.RFC3339),
		Code:            "Success",
	})
}

// current returns the credentials of the moment. They stay the same until shortly before their end.
func (s *Service) current(now time.Time) (account.Session, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	early := min(renewBefore, s.instance.CredentialLifetime/2)
	if now.Before(s.session.Expiration.Add(-early)) {
		return s.session, s.issued, nil
	}
	session, err := s.roles.AssumeRoleForService(trustedService, account.AssumeRequest{
		RoleARN:     account.RoleARN(s.instance.AccountID, s.instance.Role),
		SessionName: s.instance.ID,
		Duration:    s.instance.CredentialLifetime,
	})
	if err != nil {
		return account.Session{}, time.Time{}, fmt.Errorf("credentials of role %s: %w", s.instance.Role, err)
	}
	s.session, s.issued = session, now
	return session, now, nil
}

// identityDocument is the instance identity document, as far as clients read it.
type identityDocument struct {
	RegionID       string `json:"region-id"`
	ZoneID         string `json:"zone-id"`
	InstanceID     string `json:"instance-id"`
	OwnerAccountID string `json:"owner-account-id"`
}

func (s *Service) serveIdentity(w http.ResponseWriter) {
	writeJSON(w, identityDocument{
		RegionID: s.instance.Region, ZoneID: s.instance.Zone, InstanceID: s.instance.ID,
		OwnerAccountID: s.instance.AccountID,
	})
}

func (s *Service) serveMetadata(w http.ResponseWriter, r *http.Request, path string) {
	value := ""
	switch strings.TrimPrefix(path, metadataPrefix) {
	case "region-id":
		value = s.instance.Region
	case "zone-id":
		value = s.instance.Zone
	case "instance-id":
		value = s.instance.ID
	case "owner-account-id":
		value = s.instance.AccountID
	}
	if value == "" || !strings.HasPrefix(path, metadataPrefix) {
		s.notFound(w, r)
		return
	}
	writeText(w, value)
}

func writeText(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain")
	_, _ = w.Write([]byte(text)) // an error means that the client has gone
}

func writeJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // an error means that the client has gone
}
