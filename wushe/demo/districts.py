"""The four places of the demo stories and how much of each exists. Place names are real and official; everybody and everything in
them is invented, and says so.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class District:
    """One story: where, how many people of which kind, and what is peculiar to the place.

    `stations_share` is the share of streets that have a station, so that the gap list has something to say;
    `service_centers` are community stations run by one agency.
    """

    code: str
    agency: str
    volunteers: int
    teams: int
    residents: int
    community_organizations: int
    firms: int
    stations_share: float
    service_centers: int = 0
    university: str = ""
    signature_community: str = ""
    latitude: float = 0.0
    longitude: float = 0.0


KANGBASHI = District(
    "150603",
    agency="草原晨光社会工作服务中心",
    volunteers=900,
    teams=24,
    residents=500,
    community_organizations=60,
    firms=18,
    stations_share=1.0,
    university="示例应用技术大学社会工作系",
    latitude=39.60,
    longitude=109.78,
)
LONGGANG = District(
    "440307",
    agency="龙河社会工作服务中心",
    volunteers=2_600,
    teams=70,
    residents=1_200,
    community_organizations=260,
    firms=80,
    stations_share=0.85,
    service_centers=55,
    latitude=22.72,
    longitude=114.25,
)
JIULONGPO = District(
    "500107",
    agency="两江红社会工作服务中心",
    volunteers=1_900,
    teams=46,
    residents=900,
    community_organizations=150,
    firms=40,
    stations_share=0.75,
    signature_community="500107003003",
    latitude=29.51,
    longitude=106.49,
)
GUANGZHOU = District(
    "4401",
    agency="羊城同行社会工作服务中心",
    volunteers=6_000,
    teams=120,
    residents=1_800,
    community_organizations=420,
    firms=120,
    stations_share=0.9,
    latitude=23.13,
    longitude=113.27,
)
GUANGZHOU_CITY = District(
    "4401",
    agency="羊城同行社会工作服务中心",
    volunteers=360_000,
    teams=6_000,
    residents=20_000,
    community_organizations=9_000,
    firms=1_200,
    stations_share=0.9,
    latitude=23.13,
    longitude=113.27,
)
SMALL = District(
    "150603",
    agency="草原晨光社会工作服务中心",
    volunteers=160,
    teams=8,
    residents=80,
    community_organizations=20,
    firms=6,
    stations_share=0.75,
    university="示例应用技术大学社会工作系",
    latitude=39.60,
    longitude=109.78,
)

SIZES: dict[str, tuple[District, ...]] = {
    "small": (SMALL,),
    "district": (KANGBASHI, LONGGANG, JIULONGPO, GUANGZHOU),
    "city": (KANGBASHI, LONGGANG, JIULONGPO, GUANGZHOU_CITY),
}

# What community organizations and teams do; the name of one is place + this.
ORGANIZATION_THEMES = (
    "银龄互助社", "邻里厨房", "亲子共读会", "乒乓球队", "太极拳队", "合唱团", "楼栋自治会", "园艺小组", "手工坊", "舞蹈队",
    "书画社", "环保小队", "宠物文明养犬会", "摄影社", "儿童议事会", "惠民巧匠坊", "老兵之家", "棋友会", "急救互助组", "妈妈帮",
)  # fmt: skip
TEAM_THEMES = (
    "助老",
    "助学",
    "文明交通",
    "环保",
    "应急",
    "法律",
    "义诊",
    "文化",
    "助残",
    "青年",
    "党员先锋",
    "亲子",
)
FIRM_THEMES = ("超市", "药店", "餐厅", "物业服务", "维修", "照相馆", "书店", "面包房", "理发店", "科技")
VENUE_THEMES = ("多功能活动室", "老年食堂", "儿童乐园", "议事厅", "舞蹈室", "图书角", "社区花园", "篮球场")
HOURS = (
    "周一至周五 9:00-12:00、14:00-17:30",
    "周一至周日 8:30-20:30",
    "周二至周日 9:00-21:00",
    "周一至周五 9:00-17:30；周六 9:00-12:00",
    "周六、周日 9:00-18:00",
)
