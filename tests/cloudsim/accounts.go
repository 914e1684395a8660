// SPDX-License-Identifier: Apache-2.0

package cloudsim

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/sts"
)

// newRegistry makes the configured accounts.
func newRegistry(accounts []Account, now func() time.Time) (*account.Registry, error) {
	r := account.New(now)
	for _, a := range accounts {
		if err := a.addTo(r); err != nil {
			return nil, fmt.Errorf("account %s: %w", a.ID, err)
		}
	}
	return r, nil
}

func (a Account) addTo(r *account.Registry) error {
	if err := r.AddAccount(a.ID); err != nil {
		return err
	}
	if a.OwnerKey != nil {
		if err := a.OwnerKey.addTo(r, account.RootARN(a.ID)); err != nil {
			return err
		}
	}
	for _, u := range a.Users {
		if err := r.AddUser(a.ID, u.Name, u.Policies...); err != nil {
			return err
		}
		for _, k := range u.Keys {
			if err := k.addTo(r, account.UserARN(a.ID, u.Name)); err != nil {
				return err
			}
		}
	}
	for _, role := range a.Roles {
		err := r.AddRole(account.RoleSpec{
			AccountID: a.ID, Name: role.Name, Trust: role.Trust, Policies: role.Policies,
			MaxSession: role.MaxSession.Duration,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (k AccessKey) addTo(r *account.Registry, identityARN string) error {
	if k.ID == "" || k.Secret == "" {
		return fmt.Errorf("an access key of %s lacks its id or its secret", identityARN)
	}
	if err := r.CreateKey(identityARN, k.ID, k.Secret); err != nil {
		return err
	}
	if k.Inactive {
		return r.DisableKey(k.ID)
	}
	return nil
}

// newProviders makes the configured OIDC providers. The issuers, by the provider's ARN, are those whose private key
// the simulator has.
func newProviders(accounts []Account) (providers []sts.Provider, issuers map[string]*sts.Issuer, err error) {
	issuers = map[string]*sts.Issuer{}
	for _, a := range accounts {
		for _, p := range a.OIDCProviders {
			arn := account.ProviderARN(a.ID, p.Name)
			provider := sts.Provider{ARN: arn, Issuer: p.Issuer, ClientIDs: p.ClientIDs}
			var key *rsa.PublicKey
			if p.PublicKeyFile != "" {
				key, err = readPublicKey(p.PublicKeyFile)
			} else if issuers[arn], err = sts.NewIssuer(p.Issuer); err == nil {
				key = issuers[arn].PublicKey()
			}
			if err != nil {
				return nil, nil, fmt.Errorf("OIDC provider %s: %w", arn, err)
			}
			provider.Keys = append(provider.Keys, key)
			providers = append(providers, provider)
		}
	}
	return providers, issuers, nil
}

func readPublicKey(file string) (*rsa.PublicKey, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the public key: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("public key %s: not in PEM form", file)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("public key %s: %w", file, err)
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("public key " + file + ": not an RSA key")
	}
	return key, nil
}
