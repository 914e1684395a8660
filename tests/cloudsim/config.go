// SPDX-License-Identifier: Apache-2.0

package cloudsim

import (
	"fmt"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/hbr"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/nas"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/proxy"
)

// Config describes a simulated cloud. In YAML and JSON durations are strings such as "1h".
type Config struct {
	// Region is the region of RPC endpoints whose name has none, such as an address. Empty means cn-hangzhou.
	Region   string             `json:"region,omitempty"`
	Accounts []Account          `json:"accounts,omitempty"`
	Buckets  []oss.BucketConfig `json:"buckets,omitempty"`
	// RestoreDelay is how long an archived object takes to be restored.
	RestoreDelay metav1.Duration `json:"restoreDelay,omitzero"`
	// ECS is regions with their zones, disks, and how the service behaves. Without regions it has none.
	ECS ecs.Config `json:"ecs,omitzero"`
	// NAS is file systems.
	NAS nas.Config `json:"nas,omitzero"`
	// HBR is vaults and container clusters of Cloud Backup, and how the service behaves.
	HBR hbr.Config `json:"hbr,omitzero"`
	// Instance is the ECS instance on which the clients run. Nil means that they run outside of the cloud, where
	// there is no metadata service.
	Instance *Instance    `json:"instance,omitempty"`
	Network  Network      `json:"network,omitzero"`
	Faults   []fault.Rule `json:"faults,omitempty"`
	// Seed makes the faults that have a probability repeatable.
	Seed uint64 `json:"seed,omitempty"`
}

// Account is a main account.
type Account struct {
	// ID is a number of 16 digits.
	ID            string         `json:"id"`
	OwnerKey      *AccessKey     `json:"ownerKey,omitempty"`
	Users         []User         `json:"users,omitempty"`
	Roles         []Role         `json:"roles,omitempty"`
	OIDCProviders []OIDCProvider `json:"oidcProviders,omitempty"`
}

// AccessKey is a permanent key.
type AccessKey struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
	// Inactive makes the key a disabled one.
	Inactive bool `json:"inactive,omitempty"`
}

// User is a RAM user. Its policies have the format of RAM.
type User struct {
	Name     string           `json:"name"`
	Keys     []AccessKey      `json:"keys,omitempty"`
	Policies []account.Policy `json:"policies,omitempty"`
}

// Role is a RAM role.
type Role struct {
	Name     string              `json:"name"`
	Trust    account.TrustPolicy `json:"trust"`
	Policies []account.Policy    `json:"policies,omitempty"`
	// MaxSession is the longest session. Zero means one hour.
	MaxSession metav1.Duration `json:"maxSession,omitzero"`
}

// OIDCProvider is an identity provider, such as a cluster.
type OIDCProvider struct {
	Name   string `json:"name"`
	Issuer string `json:"issuer"`
	// ClientIDs are the audiences that are accepted.
	ClientIDs []string `json:"clientIds"`
	// PublicKeyFile is a PEM file with the issuer's RSA public key. Empty means that the simulator has the private
	// key and mints the tokens, see Cloud.MintToken.
	PublicKeyFile string `json:"publicKeyFile,omitempty"`
}

// Instance is an ECS instance.
type Instance struct {
	ID     string `json:"id"`
	Region string `json:"region"`
	Zone   string `json:"zone,omitempty"`
	// Account is the id of the account that owns the instance.
	Account string `json:"account"`
	// Role is the name of the instance's RAM role.
	Role string `json:"role,omitempty"`
	// Hardened makes the metadata service demand a token.
	Hardened bool `json:"hardened,omitempty"`
	// CredentialLifetime is how long the credentials of the role are good. Zero means six hours.
	CredentialLifetime metav1.Duration `json:"credentialLifetime,omitzero"`
}

// Network says what the proxy reaches.
type Network struct {
	// InternalReachable says whether internal and VPC endpoints can be reached. Nil means yes.
	InternalReachable *bool `json:"internalReachable,omitempty"`
	// Unreachable is what becomes of a connection that can not be made: refuse, the default, or timeout.
	Unreachable proxy.Unreachable `json:"unreachable,omitempty"`
}

// ReadConfig reads a configuration in YAML or JSON. A field that is not known is an error.
func ReadConfig(file string) (Config, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w", err)
	}
	return ParseConfig(data)
}

// ParseConfig is ReadConfig for what was read already.
func ParseConfig(data []byte) (Config, error) {
	var c Config
	if err := yaml.UnmarshalStrict(data, &c); err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	return c, nil
}

// internal translates the network's settings for the proxy.
func (n Network) internal() (proxy.Unreachable, error) {
	switch n.Unreachable {
	case "", proxy.Refuse, proxy.Timeout:
	default:
		return "", fmt.Errorf("network.unreachable %q is neither %s nor %s", n.Unreachable, proxy.Refuse, proxy.Timeout)
	}
	if n.InternalReachable == nil || *n.InternalReachable {
		return "", nil
	}
	if n.Unreachable == "" {
		return proxy.Refuse, nil
	}
	return n.Unreachable, nil
}
