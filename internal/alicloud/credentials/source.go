// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/metadata"
)

// source is one place that credentials may come from.
type source struct {
	// name is how the error for "none is configured" calls it.
	name string
	// fetch returns the credentials, or an *unconfiguredError where there are none
	// to be had from here and the next source is to be tried.
	fetch func(context.Context) (Credentials, error)
}

// unconfiguredError says why a source is passed over.
type unconfiguredError struct {
	why string
}

func (e *unconfiguredError) Error() string { return e.why }

func unconfigured(format string, args ...any) error {
	return &unconfiguredError{why: fmt.Sprintf(format, args...)}
}

// sources returns all places in the order in which they are asked.
func (p *Provider) sources() []source {
	return []source{
		{"credentialsFile of the location", p.fromLocationFile},
		{"access key in the environment", p.fromEnvironment},
		{"RRSA (OIDC)", p.fromRRSA},
		{"file that " + variableCredentialsFile + " names", p.fromEnvironmentFile},
		{"ACK addon token", p.fromAddonToken},
		{"RAM role of the node", p.fromNodeRole},
	}
}

// find asks the sources in order, then assumes the location's role where it names one.
func (p *Provider) find(ctx context.Context) (Credentials, error) {
	found, err := p.findBase(ctx)
	if err != nil || p.cfg.RoleARN == "" {
		return found, err
	}
	return p.assume(ctx, found, assumption{
		roleARN:     p.cfg.RoleARN,
		sessionName: p.cfg.RoleSessionName,
	})
}

func (p *Provider) findBase(ctx context.Context) (Credentials, error) {
	var passed []string
	for _, source := range p.sources() {
		found, err := source.fetch(ctx)
		var skip *unconfiguredError
		if errors.As(err, &skip) {
			passed = append(passed, source.name+": "+skip.why)
			continue
		}
		if err != nil {
			return Credentials{}, fmt.Errorf("get credentials (%s): %w", source.name, err)
		}
		return found, p.checkExpiry(found)
	}
	return Credentials{}, fmt.Errorf("%w; looked at, in this order: %s. Set credentialsFile in the location,"+
		" or install Velero with --secret-file naming a file that sets %s and %s, or give the service account or the node a RAM role",
		ErrNotFound, strings.Join(passed, "; "), variableAccessKeyID, variableAccessKeySecret)
}

// checkExpiry refuses what the cloud would refuse with a less helpful message.
func (p *Provider) checkExpiry(found Credentials) error {
	if now := p.now(); !found.usableAt(now) {
		return fmt.Errorf("the credentials from %s expired at %s, and it is %s now: renew them, or correct this node's clock",
			found.Source, found.Expiration.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}

// assume exchanges base for a session of a role.
func (p *Provider) assume(ctx context.Context, base Credentials, role assumption) (Credentials, error) {
	assumed, err := p.sts().assumeRole(ctx, base, role)
	if err != nil {
		return Credentials{}, fmt.Errorf("assume RAM role %s with the %s: %w", role.roleARN, base.Source, err)
	}
	assumed.Source = fmt.Sprintf("RAM role %s assumed with the %s", role.roleARN, base.Source)
	return assumed, p.checkExpiry(assumed)
}

func (p *Provider) fromLocationFile(ctx context.Context) (Credentials, error) {
	if p.locationFile == nil {
		return Credentials{}, unconfigured("not set")
	}
	return p.fromFile(ctx, p.locationFile)
}

func (p *Provider) fromEnvironmentFile(ctx context.Context) (Credentials, error) {
	if p.environmentFile == nil {
		return Credentials{}, unconfigured("not set")
	}
	return p.fromFile(ctx, p.environmentFile)
}

// fromFile returns the credentials that a credentials file holds, or those of
// the role that it names.
func (p *Provider) fromFile(ctx context.Context, from *file) (Credentials, error) {
	doc, err := from.load(p.now())
	if err != nil {
		return Credentials{}, err
	}
	if !doc.configured() {
		return Credentials{}, unconfigured("%s sets neither an access key nor a role", from.path)
	}
	lookup := func(name string) string { return cmp.Or(doc.variables[name], p.getenv(name)) }

	var found Credentials
	switch {
	case doc.nodeRole != "":
		found, err = p.nodeRole(ctx, doc.nodeRole)
	case doc.oidc:
		found, err = p.rrsa(ctx, lookup)
	default:
		found = doc.key
		found.Source = "credentials file " + from.path
		if doc.profile != "" {
			found.Source = fmt.Sprintf("profile %q of the %s", doc.profile, found.Source)
		}
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("credentials file %s: %w", from.path, err)
	}
	if doc.assume.roleARN != "" {
		return p.assume(ctx, found, doc.assume)
	}
	return found, nil
}

func (p *Provider) fromEnvironment(context.Context) (Credentials, error) {
	found, err := keyFromVariables(p.getenv)
	if err != nil {
		return Credentials{}, err
	}
	if found.AccessKeyID == "" {
		return Credentials{}, unconfigured("%s is not set", variableAccessKeyID)
	}
	found.Source = "environment variable " + variableAccessKeyID
	return found, nil
}

func (p *Provider) fromRRSA(ctx context.Context) (Credentials, error) {
	if p.getenv(variableRoleARN) == "" || p.getenv(variableOIDCTokenFile) == "" {
		return Credentials{}, unconfigured("%s and %s are not both set", variableRoleARN, variableOIDCTokenFile)
	}
	return p.rrsa(ctx, p.getenv)
}

// rrsa exchanges the pod's service account token for a session of the role that
// the variables name.
func (p *Provider) rrsa(ctx context.Context, lookup func(string) string) (Credentials, error) {
	role := assumption{
		roleARN:     lookup(variableRoleARN),
		sessionName: cmp.Or(p.cfg.RoleSessionName, lookup(variableSessionName)),
	}
	providerARN, tokenFile := lookup(variableOIDCProvider), lookup(variableOIDCTokenFile)
	if providerARN == "" || tokenFile == "" {
		return Credentials{}, fmt.Errorf("%s is set without %s and %s: enable RRSA for the cluster and annotate the service account,"+
			" so that ack-pod-identity-webhook sets them", variableRoleARN, variableOIDCProvider, variableOIDCTokenFile)
	}
	// Read each time: the kubelet replaces it before it expires.
	token, err := readSmall(tokenFile)
	if err != nil {
		return Credentials{}, fmt.Errorf("read the service account token: %w", err)
	}
	found, err := p.sts().assumeRoleWithOIDC(ctx, role, providerARN, string(trimmedText(token)))
	if err != nil {
		return Credentials{}, fmt.Errorf("assume RAM role %s with the service account token in %s: %w", role.roleARN, tokenFile, err)
	}
	found.Source = "RAM role " + role.roleARN + " by RRSA"
	return found, nil
}

// fromAddonToken reads the token that ACK grants to its backup addon: from the
// file where it is mounted, else from its Secret.
func (p *Provider) fromAddonToken(ctx context.Context) (Credentials, error) {
	if _, err := os.Stat(p.addonFile.path); !errors.Is(err, fs.ErrNotExist) {
		found, err := p.fromFile(ctx, p.addonFile)
		found.Source = "ACK addon token in " + p.addonFile.path
		return found, err
	}
	const secret = "Secret " + AddonTokenSecretNamespace + "/" + AddonTokenSecretName
	if p.env.AddonTokenSecret == nil {
		return Credentials{}, unconfigured("%s does not exist, and there is no Kubernetes API to read the %s from", p.addonFile.path, secret)
	}
	content, err := p.env.AddonTokenSecret(ctx)
	switch {
	case apierrors.IsNotFound(err):
		return Credentials{}, unconfigured("%s and the %s do not exist", p.addonFile.path, secret)
	case apierrors.IsForbidden(err):
		return Credentials{}, unconfigured("%s does not exist, and Velero's service account may not get the %s (grant it, if this cluster has it)", p.addonFile.path, secret)
	case err != nil:
		return Credentials{}, fmt.Errorf("read the %s: %w", secret, err)
	}
	found, err := parseAddonToken(trimmedText(content))
	if err != nil {
		return Credentials{}, fmt.Errorf("%s, key %s: %w", secret, AddonTokenSecretKey, err)
	}
	found.Source = "ACK addon token in the " + secret
	return found, nil
}

func (p *Provider) fromNodeRole(ctx context.Context) (Credentials, error) {
	name := nodeRoleName(p.getenv)
	found, err := p.nodeRole(ctx, name)
	if err == nil || name != "" && !errors.Is(err, errMetadataOff) {
		return found, err
	}
	if errors.Is(err, errMetadataOff) || errors.Is(err, errRoleUnnamed) || errors.Is(err, metadata.ErrNotOnECS) || errors.Is(err, metadata.ErrNoRole) {
		return Credentials{}, unconfigured("%v", err)
	}
	return Credentials{}, err
}

var (
	// errMetadataOff is for a metadata service that is not to be asked.
	errMetadataOff = errors.New("the instance metadata service is not asked (" + variableMetadataDisabled + ")")
	// errRoleUnnamed is for a role that is not to be looked for.
	errRoleUnnamed = errors.New("it is not looked for (notOnECS in the location, or VELERO_FOR_ACK=false), and " + variableRAMRole + " names none")
)

// nodeRole returns the credentials of the node's RAM role. An empty name means the
// one that it has, which is not looked for where NotOnECS is set.
func (p *Provider) nodeRole(ctx context.Context, name string) (Credentials, error) {
	if p.env.Metadata == nil || strings.EqualFold(p.getenv(variableMetadataDisabled), "true") {
		return Credentials{}, errMetadataOff
	}
	if name == "" && p.env.NotOnECS {
		return Credentials{}, errRoleUnnamed
	}
	if name == "" {
		asked, err := p.env.Metadata.Role(ctx)
		if err != nil {
			return Credentials{}, err
		}
		name = asked
	}
	found, err := p.env.Metadata.RoleCredentials(ctx, name)
	if err != nil {
		return Credentials{}, err
	}
	return Credentials{
		AccessKeyID:     found.AccessKeyID,
		AccessKeySecret: found.AccessKeySecret,
		SecurityToken:   found.SecurityToken,
		Expiration:      found.Expiration,
		Source:          fmt.Sprintf("RAM role %s of the node", name),
	}, nil
}
