"""A router at home: one outer address for all behind it, and nothing comes in that was not asked for."""

from pathlib import Path

from support.netns.hub import UP, Hub, Wire


class HomeRouter(Hub):
    """It masquerades. `outer` is its wire to the internet; its own devices are joined to it as to any hub."""

    def __init__(self, name: str, folder: Path, internet: Hub, outer_address: str | None = None) -> None:
        super().__init__(name, folder, "192.168.1.1")
        self.outer: Wire = internet.join(self, outer_address)
        self._passed = ""
        self._apply()

    def change_address(self, address: str) -> None:
        """Get another outer address, as homes do at night: what was open by the old one goes nowhere."""
        self.outer.move(address)

    def block_udp(self, *, blocked: bool = True) -> None:
        """Let no UDP through either way, but for look-ups of names; that holds for what is open, too."""
        self._passed = "meta l4proto udp udp dport != 53 udp sport != 53 drop" if blocked else ""
        self._apply()

    def _apply(self) -> None:
        self.filter(
            f"""table ip home
            delete table ip home
            table ip home {{
                chain source {{
                    type nat hook postrouting priority srcnat;
                    oifname "{UP}" masquerade
                }}
                chain on {{
                    type filter hook forward priority filter; policy drop;
                    {self._passed}
                    ct state established,related accept
                    iifname != "{UP}" accept
                }}
            }}"""
        )
